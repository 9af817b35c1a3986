"""Packs the answers of as large a run as can be thought of, and opens the report; prints JSON.

    python -m benchmarks.report_answers [FOLDER] [--models=5] [--languages=10] [--items=14042]

FOLDER has MMLU's test questions in English, as CSV files (question, choice0 to choice3, answer);
without it questions are drawn from made-up words. Every other language's text is the English one
with each word replaced by a made-up word in that language's letters, so that texts compress about
as well as real ones do. Answers are drawn: in English 60 % are right, in other languages 40 %.

The page is opened in a headless Chromium where there is one: from the start of the navigation until
the first questions can be read. The first search reads every text of two languages.
"""

import argparse
import csv
import json
import pathlib
import resource
import tempfile
import time
import zlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from tests import chromium, report_run
from xlbarrier.report import answer_data, page

CODES = ('en', 'de', 'fr', 'ar', 'hi', 'zh', 'ru', 'he', 'el', 'bn', 'ta', 'ko', 'th', 'uk')
VARIANTS = ('english', 'full', 'question', 'options', 'gt', 'gt_question', 'onewrong', 'threewrong')
ALPHABETS = {
    'ar': (0x627, 36), 'hi': (0x905, 52), 'zh': (0x4E00, 2000), 'ru': (0x430, 32),
    'he': (0x5D0, 27), 'el': (0x3B1, 25), 'bn': (0x985, 40), 'ta': (0xB85, 36),
    'ko': (0xAC00, 1500), 'th': (0xE01, 46), 'uk': (0x430, 32),
}  # fmt: skip


def english(folder: str, items: int, rng: np.random.Generator) -> list[list[str]]:
    """Question and four options of each item."""
    rows: list[list[str]] = []
    for path in sorted(pathlib.Path(folder).glob('**/*.csv')) if folder else ():
        with path.open(encoding='utf-8', newline='') as f:
            rows += [line[:5] for line in list(csv.reader(f))[1:]]
    if not rows:
        words = np.array([spelt(str(i), 'en') for i in range(30_000)])
        for _ in range(items):
            sizes = rng.poisson((60, 6, 6, 6, 6)) + 1
            rows.append([' '.join(words[rng.zipf(1.2, n) % 30_000]) for n in sizes])
    return [rows[i % len(rows)] for i in range(items)]


def spelt(word: str, code: str) -> str:
    """A made-up word in a language's letters, the same for the same word."""
    start, count = ALPHABETS.get(code, (ord('a'), 26))
    mark = zlib.crc32(f'{code}{word}'.encode())
    size = max(1, len(word) // 2 if count > 100 else len(word))
    drawn = ((mark * (7 * k + 3) + ord(c)) % 61 for k, c in enumerate(word[:size]))
    return ''.join(chr(start + count * r * r // 3721) for r in drawn)


def translated(texts: list[list[str]], code: str) -> list[list[str]]:
    """The texts with every word replaced."""
    if code == 'en':
        return texts
    known: dict[str, str] = {}
    for word in {word for row in texts for text in row for word in text.split()}:
        known[word] = spelt(word, code)
    return [[' '.join(known[w] for w in text.split()) for text in row] for row in texts]


def predictions(
    texts: dict[str, list[list[str]]], models: tuple[str, ...], rng: np.random.Generator
) -> Iterator[tuple[tuple[str, str, str, str], pa.Table]]:
    """A table for each model, variant and language, with the columns that the page needs."""
    items = len(texts['en'])
    codes = list(texts)
    ids = pa.array([f'item{i:05d}' for i in range(items)])
    subjects = pa.array([f'subject_{i * 57 // items}' for i in range(items)])
    answer = rng.integers(0, 4, items)
    for variant in (*VARIANTS, 'mixup'):
        for code in ('en',) if variant == 'english' else codes:
            kinds = [slot_languages(variant, code, codes, a, 0) for a in range(4)]
            of = (
                [slot_languages(variant, code, codes, 0, i) for i in range(items)]
                if variant == 'mixup'
                else [kinds[a] for a in answer]
            )
            shown = [[texts[c][i][slot] for slot, c in enumerate(of[i])] for i in range(items)]
            columns = {
                'id': ids,
                'subject': subjects,
                'question': pa.array([row[0] for row in shown]),
                'choices': pa.array([row[1:] for row in shown]),
                'question_language': pa.array([row[0] for row in of]),
                'choice_languages': pa.array([row[1:] for row in of]),
                'answer': pa.array(answer),
            }
            for model in models:
                right = rng.random(items) < (0.6 if code == 'en' else 0.4)
                chosen = np.where(right, answer, rng.integers(0, 4, items))
                yield (
                    (model, 'mmlu', variant, code),
                    pa.table(columns | {'letter_prediction': pa.array(chosen)}),
                )


def slot_languages(
    variant: str, code: str, codes: list[str], answer: int, item: int
) -> tuple[str, ...]:
    """Languages of the question and of each option in a variant."""
    if variant == 'mixup':
        return (code, *(codes[(item + k) % len(codes)] for k in range(4)))
    wrong = next(k for k in range(4) if k != answer)
    slots = {
        'english': (), 'full': (0, 1, 2, 3, 4), 'question': (0,), 'options': (1, 2, 3, 4),
        'gt': (answer + 1,), 'gt_question': (0, answer + 1), 'onewrong': (wrong + 1,),
        'threewrong': tuple(k + 1 for k in range(4) if k != answer),
    }[variant]  # fmt: skip
    return tuple(code if slot in slots else 'en' for slot in range(5))


def opened(path: pathlib.Path) -> dict[str, float]:
    """Seconds until the first questions can be read, and of the first search."""
    with chromium.browser() as tab:
        start = time.perf_counter()
        tab.open(path)
        tab.wait("document.querySelectorAll('#browser .text[lang]').length > 5")
        seconds = {'open_s': round(time.perf_counter() - start, 2)}
        start = time.perf_counter()
        tab.run(
            "document.querySelector('#browser [name=search]').value = 'item01001';"
            "document.querySelector('#browser [name=search]')"
            ".dispatchEvent(new Event('input', {bubbles: true}))"
        )
        tab.wait("document.querySelector('#browser [role=status]').textContent.startsWith('1 of')")
        return seconds | {'first_search_s': round(time.perf_counter() - start, 2)}


def main() -> None:
    """Measures once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', nargs='?', default='')
    parser.add_argument('--models', type=int, default=5)
    parser.add_argument('--languages', type=int, default=10)
    parser.add_argument('--items', type=int, default=14_042)
    args = parser.parse_args()
    rng = np.random.Generator(np.random.PCG64(0))
    texts = {'en': english(args.folder, args.items, rng)}
    for code in CODES[1 : args.languages]:
        texts[code] = translated(texts['en'], code)
    models = ('base', *(f'arm{i}' for i in range(1, args.models)))
    made = dict(predictions(texts, models, rng))
    start = time.perf_counter()
    packed, files = answer_data.pack(made, models)
    seconds = time.perf_counter() - start
    blocks = sum(len(block) for block in packed['blocks'].values()) * 3 // 4
    beside = {name: len(data) * 3 // 4 for name, data in files.items()}
    result: dict[str, object] = {
        'answers': len(made) * args.items,
        'pack_s': round(seconds, 1),
        'compressed_MB': {
            'answers': round(blocks / 1e6, 2),
            'texts': round(sum(beside.values()) / 1e6, 2),
            'texts of a language, most': round(max(beside.values(), default=0) / 1e6, 2),
        },
        'peak_memory_GB': round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1),
    }
    if chromium.find():
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            report_run.write(folder, models=('base',))
            facts = page._facts(folder, answer_data.ONE_FILE)[0] | {
                'answers': page.Markup(answer_data.embedded(packed))
            }
            for file, data in files.items():
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).write_bytes(data)
            whole = page.render('page.html.j2', facts, bool(files))
            (folder / 'report.html').write_text(whole, encoding='utf-8')
            result |= {'page_MB': round(len(whole) / 1e6, 1)} | opened(folder / 'report.html')
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
