"""Valid inputs of each kind in a folder, and what reads them: what the user meets first."""

import gzip
import json
import lzma
import pathlib
import random
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from flax import nnx

from tests import recorded_files
from tests.fuzz import mutate
from xlbarrier import mesh
from xlbarrier import run as run_lib
from xlbarrier.config import build, resolve
from xlbarrier.config import flags as config_flags
from xlbarrier.config.corpus import TextConfig
from xlbarrier.config.tasks import UserConfig
from xlbarrier.corpus import sources, store
from xlbarrier.data import tokenize
from xlbarrier.models import adapters, load, lora, safetensors_io
from xlbarrier.models.config import DecoderConfig
from xlbarrier.modes import rescore
from xlbarrier.qa import forms
from xlbarrier.report import page
from xlbarrier.tasks.user import User
from xlbarrier.translate import wordlists

TEXTS = ('First text. Two sentences.', 'Zweiter „Text“, länger.', '第三。', 'نص رابع')


@dataclass(frozen=True)
class Surface:
    """A kind of input.

    Attributes:
      name: of the kind.
      files: written by `write`, below the folder; one of them is spoiled.
      read: meets the folder as a run would.
    """

    name: str
    files: Callable[[pathlib.Path], list[pathlib.Path]]
    read: Callable[[pathlib.Path], object]


def surfaces(decoder: nnx.Module, finished: pathlib.Path) -> list[Surface]:
    """All kinds.

    Args:
      decoder: a tiny one, of `tiny_config`, that adapters are put on.
      finished: folder of a finished run.
    """

    def adapter(folder: pathlib.Path) -> list[pathlib.Path]:
        trained = nnx.clone(decoder)
        lora.add_lora(trained, 2, 4.0, ('q', 'v'), 0)
        adapters.save_adapter(trained, folder / 'adapter', base='base')
        return sorted((folder / 'adapter').iterdir())

    def model(folder: pathlib.Path) -> list[pathlib.Path]:
        load.export_hf(decoder, folder / 'model')
        (folder / 'model/generation_config.json').write_text('{"eos_token_id": [1, 2]}')
        return sorted((folder / 'model').iterdir())

    def run_folder(folder: pathlib.Path) -> list[pathlib.Path]:
        names = ('config.json', 'run.json', 'results.json', 'metrics.jsonl')
        for name in names:
            (folder / name).write_bytes((finished / name).read_bytes())
        return [folder / name for name in names]

    return [
        Surface('examples', _examples, _read_examples),
        Surface('questions', _questions, _read_questions),
        Surface('corpus source', _sources, _read_sources),
        Surface('corpus', _corpus, lambda folder: list(store.read_rows(folder))),
        Surface('word list', _words, lambda folder: [wordlists.read(p) for p in _in(folder)]),
        Surface('tokenizer', _tokenizer, lambda folder: tokenize.load_tokenizer(folder)),
        Surface('model', model, lambda folder: _read_model(folder / 'model')),
        Surface(
            'adapter', adapter,
            lambda folder: adapters.load_adapter(nnx.clone(decoder), folder / 'adapter'),
        ),
        Surface('answers', _answers, _read_answers),
        Surface('run', run_folder, lambda folder: page.write_report(folder)),
        Surface('started run', _started, _continue),
    ]  # fmt: skip


def tiny_config() -> DecoderConfig:
    """One layer of 32 channels."""
    return DecoderConfig(
        family='llama', vocab_size=64, num_layers=1, d_model=32, num_heads=2, num_kv_heads=2,
        head_dim=16, d_ff=32, norm_eps=1e-5, tied=True, max_positions=64, eos_id=2,
    )  # fmt: skip


def tiny_decoder() -> nnx.Module:
    """A random model of `tiny_config`."""
    return load.init_decoder(tiny_config(), mesh.make_mesh())


def flags(rng: random.Random) -> list[tuple[str, str]]:
    """One to three flags, of which some name a field and some have a value that fits it."""
    names = [name for name, _ in build.flatten(build.plain(resolve(TRAINING)))]
    found = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice((*names, 'tasks.mmlu.shots', 'tasks.no.x', 'tasks', '', '.', 'model'))
        if rng.random() < 0.2:
            name = name[: rng.randrange(len(name) + 1)] + rng.choice(('x', '.', '[0]', '\0', '=='))
        value = rng.choice(mutate.ODD)
        found.append((name, value if isinstance(value, str) else repr(value)))
    return found


def read_config(given: list[tuple[str, str]]) -> object:
    """The quickstart's config with flags."""
    return config_flags.read('quickstart', given)


def _in(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.iterdir() if path.suffix != '.dict')


def _rows(folder: pathlib.Path, name: str, rows: list[dict]) -> list[pathlib.Path]:
    lines = ''.join(json.dumps(row) + '\n' for row in rows).encode()
    (folder / f'{name}.jsonl').write_bytes(lines)
    (folder / f'{name}.json').write_text(json.dumps(rows))
    (folder / f'{name}.jsonl.gz').write_bytes(gzip.compress(lines))
    (folder / f'{name}.jsonl.xz').write_bytes(lzma.compress(lines))
    pq.write_table(pa.Table.from_pylist(rows), folder / f'{name}.parquet')
    flat = [{k: v if isinstance(v, str) else json.dumps(v) for k, v in r.items()} for r in rows]
    header = ','.join(flat[0])
    cells = [','.join('"' + v.replace('"', '""') + '"' for v in row.values()) for row in flat]
    (folder / f'{name}.csv').write_text('\n'.join([header, *cells]) + '\n')
    return sorted(folder.iterdir())


def _examples(folder: pathlib.Path) -> list[pathlib.Path]:
    return _rows(folder, 'a', [{'question': text, 'answer': text[:3]} for text in TEXTS])


def _read_examples(folder: pathlib.Path) -> None:
    for path in sorted(folder.iterdir()):
        list(forms.read(str(path)))


def _questions(folder: pathlib.Path) -> list[pathlib.Path]:
    options = ['x', 'y', 'z']
    return _rows(
        folder, 'q', [{'question': text, 'options': options, 'answer': 'A'} for text in TEXTS]
    )


def _read_questions(folder: pathlib.Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.name != 'q.csv':
            task = User(UserConfig(source=str(path), variants=('full',)))
            list(task.questions('full', 'en'))


def _sources(folder: pathlib.Path) -> list[pathlib.Path]:
    (folder / 'w.txt').write_text(' = Title = \n\n Text one . \n\n = = Part = = \n\n Two .\n')
    return [*_rows(folder, 's', [{'text': text} for text in TEXTS]), folder / 'w.txt']


def _read_sources(folder: pathlib.Path) -> None:
    kinds = {'s.csv': 'csv', 's.parquet': 'parquet', 'w.txt': 'wikitext'}
    for path in sorted(folder.iterdir()):
        for kind in (kinds.get(path.name, 'jsonl'), 'text'):
            if path.name != 's.json':
                source = sources.open_source(f'{kind}:{path}', TextConfig())
                list(source.documents())


def _corpus(folder: pathlib.Path) -> list[pathlib.Path]:
    data = store.lines([{'id': '0', 'text': 'a', 'languages': ['en'], 'units': ['a']}] * 3)
    packed = pa.Codec('zstd', 3).compress(data, asbytes=True)
    (folder / 'shard-00000.jsonl.zst').write_bytes(packed)
    shard = {'name': 'shard-00000.jsonl.zst', 'documents': 3, 'sha256': '0' * 64}
    store.write_json(folder / 'manifest.json', {'shards': [shard], 'sha256': '0' * 64})
    store.write_json(folder / 'config.json', {'arm': 'mixed'})
    return sorted(folder.iterdir())


def _words(folder: pathlib.Path) -> list[pathlib.Path]:
    (folder / 'en-fr.tsv').write_text('dog\tchien\ncat\tchat\n')
    (folder / 'en-de.json').write_text('{"dog": "Hund", "cat": "Katze"}')
    (folder / 'd.index').write_text('cat\tA\tJ\ndog\tJ\tK\n')
    (folder / 'd.dict').write_text('cat\nchat\ndog\nchien\n')
    return sorted(folder.iterdir())


def _tokenizer(folder: pathlib.Path) -> list[pathlib.Path]:
    vocabulary = {f'w{n}': n for n in range(64)}
    core = {
        'version': '1.0', 'truncation': None, 'padding': None, 'normalizer': None,
        'added_tokens': [{'id': 2, 'content': 'w2', 'single_word': False, 'lstrip': False,
                          'rstrip': False, 'normalized': False, 'special': True}],
        'pre_tokenizer': {'type': 'WhitespaceSplit'}, 'post_processor': None, 'decoder': None,
        'model': {'type': 'WordLevel', 'vocab': vocabulary, 'unk_token': 'w0'},
    }  # fmt: skip
    (folder / 'tokenizer.json').write_text(json.dumps(core))
    described = {'tokenizer_class': 'PreTrainedTokenizerFast', 'eos_token': 'w2'}
    (folder / 'tokenizer_config.json').write_text(json.dumps(described))
    return sorted(folder.iterdir())


def _read_model(folder: pathlib.Path) -> None:
    load.read_config(folder)
    load.open_folder(folder)
    safetensors_io.weight_files(folder)
    load.fingerprint(folder)


def _answers(folder: pathlib.Path) -> list[pathlib.Path]:
    recorded_files.write_clika(folder / 'answers')
    recorded_files.write_mmlu(folder / 'answers')
    return sorted(path for path in (folder / 'answers').rglob('*') if path.is_file())


def _read_answers(folder: pathlib.Path) -> None:
    config = resolve({'mode': 'rescore', 'report': {'bootstrap_draws': 100},
                      'rescore': {'root': str(folder / 'answers')}})  # fmt: skip
    rescore.rescore(folder / 'run', config)


TRAINING = {'mode': 'train', 'model': {'source': 'x'}, 'arms': ('mixed',)}


def _started(folder: pathlib.Path) -> list[pathlib.Path]:
    run = run_lib.open_run(folder / 'run', resolve(TRAINING))
    run.append_metrics({'arm': 'mixed', 'step': 1, 'loss': 3.0})
    run.close()
    return sorted(path for path in (folder / 'run').iterdir() if path.name != '.lock')


def _continue(folder: pathlib.Path) -> None:
    run = run_lib.open_run(folder / 'run', resolve(TRAINING))
    run.last_step('mixed')
    run.close()
