"""Sets of the hub as small files of the published layout, made for the tests."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.hub_server import Hub, Repository

Rows = Sequence[Mapping[str, Any]]
LETTERS = 'ABCD'


def jsonl(rows: Rows) -> bytes:
    return b''.join(json.dumps(row, ensure_ascii=False).encode() + b'\n' for row in rows)


def parquet(rows: Rows) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), file)
    return file.getvalue()


def repository(configs: Mapping[str, Mapping[str, Rows]], suffix: str = 'parquet') -> Repository:
    """A repository with a card that names the file of each configuration and split."""
    write = {'parquet': parquet, 'jsonl': jsonl}[suffix]
    lines, files = ['---', 'configs:'], {}
    for config, splits in configs.items():
        lines += [f'- config_name: {config}', '  data_files:']
        for split, rows in splits.items():
            path = f'{config}/{split}.{suffix}'
            lines += [f'  - split: {split}', f'    path: "{path}"']
            files[path] = write(rows)
    return Repository({'README.md': '\n'.join([*lines, '---', '']).encode(), **files})


def options(language: str, item: int, names: Sequence[str]) -> dict[str, str]:
    return {name: f'{language} {item}{LETTERS[i % 4]}{i}' for i, name in enumerate(names)}


def lettered(language: str, **more: Any) -> list[dict[str, Any]]:
    """Two questions of Global-MMLU's columns."""
    return [
        {
            'sample_id': f'anatomy/test/{n}', 'subject': 'anatomy', 'question': f'{language} {n}?',
            **options(language, n, [f'option_{x}' for x in 'abcd']), 'answer': LETTERS[n + 1],
            **more,
        }
        for n in range(2)
    ]  # fmt: skip


def demonstrated(rows: Rows, question: str = 'question', **keys: str) -> list[dict[str, Any]]:
    """The same questions as those of a split for demonstrations; `keys` replace their ids."""
    return [
        {**row, question: f'dev {row[question]}', **{k: f'{v}{n}' for k, v in keys.items()}}
        for n, row in enumerate(rows)
    ]


def ten(language: str) -> list[dict[str, Any]]:
    """Questions of MMLU-ProX: the second has seven options, the others are null."""
    made = []
    for n in range(2):
        given: dict[str, Any] = options(language, n, [f'option_{i}' for i in range(10)])
        if n == 1:
            given |= dict.fromkeys(('option_7', 'option_8', 'option_9'))
        made.append(
            {'question_id': 70 + n, 'question': f'{language} {n}?', **given, 'answer': 'JG'[n],
             'category': 'law', 'cot_content': ''}
        )  # fmt: skip
    return made


def reading(language: str) -> list[dict[str, Any]]:
    """Belebele's questions; the order differs by language."""
    made = [
        {'link': f'https://example.org/{n}', 'question_number': n + 1, 'dialect': language,
         'flores_passage': f'{language} {("passage", "text")[n]}', 'question': f'{language} {n}?',
         **options(language, n, [f'mc_answer{i}' for i in range(1, 5)]),
         'correct_answer_num': str(n + 1)}
        for n in range(2)
    ]  # fmt: skip
    return made[:: 1 if language == 'eng_Latn' else -1]


def facts() -> list[dict[str, Any]]:
    """PolyFact's parallel rows: each language has the options in an order of its own."""
    orders = {'en': 'QA QB QC QD', 'de': 'QD QC QB QA', 'ja': 'QB QD QA QC'}
    made = []
    for n in range(2):
        right = ('QB', 'QD')[n]
        by_language = {}
        for code, order in orders.items():
            ids = order.split()
            given = {f'option_{x}': f'{code} {n}{ids[i]}' for i, x in enumerate('abcd')}
            by_language[code] = {
                'question': f'{code} {n}?', **given, 'answer_text': f'{code} {n}{right}',
                'answer_index': ids.index(right), 'option_ids': ids,
            }  # fmt: skip
        made.append(
            {'fact_id': f'f{n}', 'subject_id': 'Q1', 'property_id': 'P17', 'object_id': right,
             'translations': by_language}
        )  # fmt: skip
    return made


def serve(hub: Hub) -> None:
    """Puts every set of the table on the server."""
    made = hub.repositories
    mmlu = [
        {'question': f'en {n}?', 'subject': 'anatomy', 'choices': [f'en {n}{x}' for x in LETTERS],
         'answer': n + 1}
        for n in range(2)
    ]  # fmt: skip
    made['cais/mmlu'] = repository({'all': {'test': mmlu, 'dev': mmlu}})
    made['openai/MMMLU'] = repository({
        name: {'test': [
            {'Unnamed: 0': n, 'Question': f'{name} {n}?', **options(name, n, LETTERS),
             'Answer': LETTERS[n + 1], 'Subject': 'anatomy'}
            for n in range(2)
        ]}
        for name in ('DE_DE', 'SW_KE')
    })  # fmt: skip
    for name in ('CohereLabs/Global-MMLU', 'CohereLabs/Global-MMLU-Lite'):
        made[name] = repository({
            c: {'test': lettered(c), 'dev': demonstrated(lettered(c), sample_id='anatomy/dev/')}
            for c in ('en', 'de', 'sw')
        })  # fmt: skip
    exams = {
        name: [
            {'language': name, 'country': 'x', 'domain': 'y', 'subject': 'history',
             'question': f'{name} {n}?', **options(name, n, [f'option_{x}' for x in 'abcd']),
             'answer': n}
            for n in range(count)
        ]
        for name, count in (('German', 3), ('North Macedonian', 2))
    }  # fmt: skip
    made['CohereLabs/include-base-44'] = repository(
        {name: {'test': rows, 'validation': demonstrated(rows)} for name, rows in exams.items()}
    )
    for name in ('li-lab/MMLU-ProX', 'li-lab/MMLU-ProX-Lite'):
        made[name] = repository({c: {'test': ten(c), 'validation': ten(c)} for c in ('en', 'de')})
    made['facebook/belebele'] = repository(
        {c: {'test': reading(c)} for c in ('eng_Latn', 'deu_Latn', 'swh_Latn')}, 'jsonl'
    )
    cause = {'premise': 'It rained.', 'choice1': 'One.', 'choice2': 'Two.', 'question': 'cause'}
    made['cambridgeltl/xcopa'] = repository(
        {c: {'test': [cause | {'label': 1, 'idx': 0, 'changed': False}]} for c in ('it', 'zh')}
    )
    made['pkavumba/balanced-copa'] = repository(
        {'default': {'test': [cause | {'id': 501, 'label': 1, 'mirrored': False}]}}
    )
    for part in ('parallel', 'nonparallel'):
        made[f'mrlbenchmarks/global-piqa-{part}'] = repository({
            name: {'test': [
                {'prompt': f'{name} {n}', 'label': n, 'solution0': f'{name} a{n}',
                 'solution1': f'{name} b{n}'}
                for n in range(2)
            ]}
            for name in ('eng_latn', 'spa_latn_spai', 'spa_latn_peru')
        })  # fmt: skip
    story = {f'input_sentence_{i}': f'S{i}.' for i in range(1, 5)}
    story |= {'story_id': 's1', 'sentence_quiz1': 'Bad.', 'sentence_quiz2': 'Good.'}
    made['juletxara/xstory_cloze'] = repository(
        {
            c: {
                'eval': [story | {'answer_right_ending': 2}],
                'train': [story | {'answer_right_ending': 1, 'input_sentence_1': f'{c}.'}],
            }
            for c in ('en', 'my')
        }
    )
    made['jvonrad/PolyFact-Clean'] = repository(
        {'parallel': {'test': facts(), 'validation': facts()[::-1]}}
    )
    for name in ('MMMLU', 'XCSQA', 'BMLAMA17'):
        made[f'JRQi/{name}'] = repository({
            c: {'test': [{'Prompt': f'{c}?', 'Ans': f"['{c} two']",
                          'Candidate Ans': f"['{c} one', '{c} two', \"{c}'s\"]"}]}
            for c in ('en', 'fr')
        })  # fmt: skip
    made['INK-USC/xcsr'] = repository({
        f'X-CSQA-{c}': {'validation': [
            {'id': 'i1', 'lang': c, 'answerKey': 'B', 'question': {
                'stem': f'{c}?',
                'choices': [{'label': x, 'text': f'{c} {x}'} for x in 'ABCDE']}}
        ]}
        for c in ('en', 'jap')
    })  # fmt: skip
    made['juletxara/mgsm'] = repository(
        {c: {'test': [{'question': f'{c} 2+2?', 'answer_number': 4}]} for c in ('en', 'de')}
    )
    made['facebook/multiloko'] = repository({
        name: {'dev': [{'id': n, 'question': f'{name} {n}?', 'targets': [f'{name} x', 'y']}
                       for n in range(count)]}
        for name, count in (('english', 2), ('german', 3))
    }, 'jsonl')  # fmt: skip
    made['ura-hcmut/ECLeKTic'] = repository({'default': {'test': [
        {'q_id': f'q{n}', 'original_lang': 'en', 'title': 't', 'url': 'u', 'content': 'c',
         **{f'{c}_{part}': f'{c} {part}{n}' for c in ('en', 'de', 'fr') for part in 'qac'}}
        for n in range(2)
    ]}}, 'jsonl')  # fmt: skip
    made['cross-ling-know/HarryPotter-Quiz'] = repository({'default': {
        split: [{'question': f'{split}?', **options(split, 0, LETTERS), 'GT': 'C'}]
        for split in ('English', 'German')
    }})  # fmt: skip
    rows = '\n'.join(f'"mixed {n}?",a,"b, c",d,e,{LETTERS[n + 1]}' for n in range(2))
    made['cross-ling-know/mixup-lang-mmlu'] = Repository(
        {f'data/{s}/anatomy_{s}.csv': rows.encode() for s in ('test', 'dev')}
    )
    made['locuslab/TOFU'] = repository({
        f'{name}_perturbed': {'train': [
            {'question': f'{name}?', 'answer': 'a', 'paraphrased_answer': 'b',
             'perturbed_answer': ['c', 'd']}
        ]}
        for name in ('retain', 'real_authors', 'world_facts')
    })  # fmt: skip
    made['google/xquad'] = repository({
        f'xquad.{c}': {'validation': [
            {'id': 'x1', 'context': f'{c} text', 'question': f'{c}?',
             'answers': {'text': [f'{c} text'], 'answer_start': [0]}}
        ]}
        for c in ('en', 'de')
    })  # fmt: skip
    for name in list(made):
        if not name.startswith(('datasets/', 'models/')):
            made[f'datasets/{name}'] = made.pop(name)
