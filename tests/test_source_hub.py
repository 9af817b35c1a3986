"""Models of the Hugging Face hub, from a server on the loopback interface that speaks its API."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.hub_server import Hub, Repository

FILES = {
    'config.json': b'{"model_type": "llama"}',
    'model.safetensors': b'weights',
    'tokenizer.json': b'{}',
    'tokenizer.py': b'code',
    'pytorch_model.bin': b'pickle',
    'modeling.py': b'code',
    'README.md': b'text',
    'original/consolidated.00.safetensors': b'the weights again',
    'consolidated.safetensors': b'the weights again',
}
HUB = """
from xlbarrier.models.source import resolve
for name in {names!r}:
    try:
        print(resolve(name))
    except ValueError as error:
        print('ERROR', error)
"""


@pytest.fixture
def hub(tmp_path):
    """(server, ask): `ask(*sources, offline=False)` resolves them in a process of its own."""
    server = Hub()
    server.repositories['models/org/tiny'] = Repository(dict(FILES), revisions=('v1',))

    def ask(*names: str, offline: bool = False) -> list[str]:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith('HF_')},
            'HF_ENDPOINT': server.address,
            'HF_HOME': str(tmp_path / 'hf'),
            'HF_HUB_OFFLINE': '1' if offline else '0',
            'HF_HUB_DISABLE_XET': '1',
            'HF_HUB_DISABLE_TELEMETRY': '1',
            'NO_PROXY': '127.0.0.1',
        }
        program = HUB.format(names=names)
        answer = subprocess.run(
            [sys.executable, '-c', program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.splitlines()

    yield server, ask
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_hub_snapshot_without_pickles_and_code(hub):
    server, ask = hub
    (folder,) = ask('hf:org/tiny@v1')
    names = sorted(p.name for p in pathlib.Path(folder).rglob('*'))
    assert names == ['config.json', 'model.safetensors', 'tokenizer.json']
    assert (pathlib.Path(folder) / 'model.safetensors').read_bytes() == b'weights'
    assert not [path for _, path in server.asked if path.endswith(('.bin', '.py'))]
    assert ('GET', '/api/models/org/tiny/revision/v1') in server.asked
    # Later, without a network, the cache answers; what it lacks is named.
    asked = len(server.asked)
    again, missing = ask('hf:org/tiny@v1', 'hf:org/other', offline=True)
    assert again == folder
    assert missing.startswith('ERROR hf:org/other could not be fetched from the hub or its cache')
    assert 'model.source to a local folder' in missing and 'HF_HUB_OFFLINE=1' in missing
    assert len(server.asked) == asked


@pytest.mark.slow
def test_a_repository_that_is_not_there_or_has_no_weights(hub):
    server, ask = hub
    absent, malformed = ask('hf:org/absent', 'hf:justone')
    assert absent.startswith('ERROR hf:org/absent could not be fetched') and '404' in absent
    assert 'HF_TOKEN' in absent
    assert "'hf:justone' is not hf:ORG/NAME" in malformed
    del server.repositories['models/org/tiny'].files['model.safetensors']
    bare, command, remedy = ask('hf:org/tiny')
    assert "ERROR model.source 'hf:org/tiny': the folder" in bare
    assert 'no *.safetensors file' in bare and '`hf download org/tiny --local-dir FOLDER`' in bare
    assert 'weights_only=True' in command and 'model.source to FOLDER' in remedy


@pytest.mark.slow
def test_a_download_that_breaks_off_is_an_error_and_then_goes_on(hub):
    server, ask = hub
    server.repositories['models/org/tiny'].dies['model.safetensors'] = 1000
    (broken,) = ask('hf:org/tiny')
    assert broken.startswith('ERROR hf:org/tiny could not be fetched from the hub or its cache')
    (offline,) = ask('hf:org/tiny', offline=True)  # half a snapshot is not taken for a whole one
    assert offline.startswith('ERROR') and 'hf:org/tiny' in offline
    server.repositories['models/org/tiny'].dies.clear()
    (folder,) = ask('hf:org/tiny')
    assert (pathlib.Path(folder) / 'model.safetensors').read_bytes() == b'weights'


@pytest.mark.slow
def test_a_hub_that_cannot_be_reached(hub):
    server, ask = hub
    server.shutdown()
    server.server_close()
    (said,) = ask('hf:org/tiny')
    assert said.startswith('ERROR hf:org/tiny could not be fetched from the hub or its cache')
    assert 'no network: set model.source to a local folder' in said
