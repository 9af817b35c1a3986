"""Small recorded answers in the published layouts, written for the tests of mode rescore."""

import json
import lzma

RIGHT = 'ABDC'
PROMPT = 'Choose.\nQuestion:2+3=?\nA. 1\nB. 5\nAnswer:B. 5\nQuestion:Where?\n{}\nAnswer:'
OPTIONS = ('Oslo', 'Rome', 'Bern', 'Kyiv')
# What the models wrote in each language, item by item.
WROTE = {
    'loud': {
        'en': ('A. Oslo', 'The answer is B', 'D', 'c'),
        'DE': ('A', '', 'D</s>', 'A'),
        'FR_trans': ('Ａ', 'B.', 'B', 'C'),
    },
    'calm': {
        'en': ('A', 'B', 'D', 'A'),
        'DE': ('B', 'B', 'D', 'A'),
        'FR_trans': ('B', 'A', 'A', 'A'),
    },
}


def clika_row(number, text, **changes):
    lines = '\n'.join(f'{letter}. {option}' for letter, option in zip('ABCD', OPTIONS, strict=True))
    row = {'id': number, 'input': PROMPT.format(lines), 'res': text, 'label': RIGHT[number]}
    return row | {'uuid': number} | changes


def clika_file(root, model='loud', language='en', task='x_geo', setting='_bf16'):
    return root / task / language / f'{model}_res{setting}.jsonl'


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows), 'utf-8')


def write_clika(root, task='x_geo', wrote=WROTE):
    for model, languages in wrote.items():
        for language, texts in languages.items():
            rows = [clika_row(number, text) for number, text in enumerate(texts)]
            write_lines(clika_file(root, model, language, task), rows)
    return root


def write_mmlu(root, name='mmlu_ar_recorded'):
    folder = root / name / 'a-model' / 'few_shot'
    folder.mkdir(parents=True, exist_ok=True)
    query = 'سؤال\nA. 1\nB. 2\nC. 3\nD. 4'
    for subject, texts in {'anatomy': ('A\n', 'B', 'م'), 'astronomy': ('D',)}.items():
        rows = [
            {'query_id': i, 'query': query, 'answer': RIGHT[i], 'response': text}
            for i, text in enumerate(texts)
        ]
        lines = ''.join(json.dumps(row) + '\n' for row in rows)
        (folder / f'{subject}.jsonl.xz').write_bytes(lzma.compress(lines.encode()))
    return folder


def write_tofu(root, name='eval_log', model='a-model', **changes):
    log = {
        'generated_text': {
            '0': ['q', 'the cat sat', 'the cat sat down'],
            '1': ['q', '', 'a long answer'],
        },
        'avg_gt_loss': {'0': 0.5, '1': 1.0},
        'avg_paraphrased_loss': {'0': 1.0, '1': 2.0},
        'average_perturb_loss': {'0': [1.5, 2.5], '1': [2.0, 2.0]},
        'rougeL_recall': {'0': 0.75, '1': 0.0},
    } | changes
    path = root / model / 'eval_results' / 'ds_size300' / f'{name}.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(log))
    return path
