"""README.md of an exported model: a card with the front matter that the Hugging Face hub reads."""

import json
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from huggingface_hub import ModelCardData

from xlbarrier import datafiles
from xlbarrier.config.run import text_of
from xlbarrier.datafiles import write_atomic
from xlbarrier.report import words
from xlbarrier.report.beside import language_words
from xlbarrier.report.markdown import table
from xlbarrier.report.table_files import markdown_cell
from xlbarrier.report.words import interval, percent, points
from xlbarrier.results import seeds
from xlbarrier.results.numbers import Numbers
from xlbarrier.results.rows import ALL, MEAN, SOURCE

CARD = 'README.md'
ADAPTER = '-adapter'  # how the name of an adapter's folder ends
_SNAPSHOT = re.compile(r'(?P<arm>.+)-(?P<step>\d+)steps')
_LICENCE_ID = re.compile(r'[a-z0-9][a-z0-9.-]*')  # as the hub spells them: apache-2.0, mit
_ADDRESS = re.compile(r'https?://[^\s,;()]+')


def write_all(folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes the card of every model below export/ of a run folder; returns their paths.

    Args:
      folder: with config.json and run.json; with results.json, the cards have the barrier before
        and after.
    """
    config = datafiles.read_object(folder / 'config.json')
    record = datafiles.read_object(folder / 'run.json')
    results = folder / 'results.json'
    numbers = Numbers(datafiles.read_object(results)['rows'] if results.exists() else [])
    written = []
    for export in sorted(path for path in folder.glob('export/*') if path.is_dir()):
        if not any((export / name).exists() for name in ('config.json', 'adapter_config.json')):
            continue
        arm = _arm_of(export.name)
        manifest = folder / 'corpus' / text_of(arm) / 'manifest.json'
        corpus = datafiles.read_object(manifest) if manifest.exists() else {}
        text = card(export.name, config, record, numbers, corpus)
        write_atomic(export / CARD, text.encode())
        written.append(export / CARD)
    return written


def card(
    name: str,
    config: Mapping[str, Any],
    record: Mapping[str, Any],
    numbers: Numbers,
    corpus: Mapping[str, Any],
) -> str:
    """The card of one export.

    Args:
      name: of its folder: an arm, `ARM-Nsteps`, one of these with `-adapter`, or `model`.
      config, record: config.json and run.json of the run.
      numbers: of the run.
      corpus: the manifest of the arm's text; empty where it had none.
    """
    source = str(config['model']['source'])
    described = record.get('models', {}).get('base', {})
    base = str(described.get('name') or source.split(':')[-1])
    terms = str(described.get('terms') or '')
    arm = _arm_of(name)
    trained = record.get('training', {}).get(arm)
    units = corpus.get('units', {}).get('by_language', {})
    codes = [code for code, count in units.items() if count]
    codes.sort(key=lambda code: (code != SOURCE, code))
    adapter = name.endswith(ADAPTER)
    front = ModelCardData(
        language=codes or None,
        base_model=source.removeprefix('hf:').partition('@')[0] if _on_hub(source) else None,
        base_model_relation=None if not _on_hub(source) else 'adapter' if adapter else 'finetune',
        library_name='peft' if adapter else 'transformers',
        pipeline_tag='text-generation',
        tags=['xlbarrier', 'cross-lingual'],
        **_licence(terms),
    )
    title = f'{base}, fine-tuned ({name})' if trained else base
    lines = ['---', front.to_yaml().rstrip(), '---', '', f'# {markdown_cell(title)}', '']
    lines += [*_about(base, name, arm, trained, config, record, corpus), '']
    lines += _barrier(numbers, name.removesuffix(ADAPTER))
    lines += _loading(name, base, adapter)
    lines += ['## Licence', '', _licence_words(base, terms), '']
    return '\n'.join(lines)


def _arm_of(name: str) -> str:
    name = name.removesuffix(ADAPTER)
    found = _SNAPSHOT.fullmatch(name)
    return seeds.arm_of(found['arm'] if found else name)


def _on_hub(source: str) -> bool:
    return source.startswith('hf:')


def _licence(terms: str) -> dict[str, Any]:
    """Fields of the front matter: the hub's id of a licence, or `other` with its name."""
    if not terms:
        return {}
    if _LICENCE_ID.fullmatch(terms.lower()):
        return {'license': terms.lower()}
    address = _ADDRESS.search(terms)
    named = {'license': 'other', 'license_name': re.split(r'[,(]', terms)[0].strip()}
    return named | ({'license_link': address[0]} if address else {})


def _licence_words(base: str, terms: str) -> str:
    base = markdown_cell(base)
    if terms:
        return (
            f'Terms of the base model, {base}: {markdown_cell(terms)}. Read what they say of models'
            ' that are made from it.'
        )
    return f'The files of the base model, {base}, name no licence: look for its terms.'


def _about(
    base: str,
    name: str,
    arm: str,
    trained: Mapping[str, Any] | None,
    config: Mapping[str, Any],
    record: Mapping[str, Any],
    corpus: Mapping[str, Any],
) -> Iterator[str]:
    base, version = markdown_cell(base), record.get('versions', {}).get('xlbarrier', '')
    if trained is None:
        yield f'{base}, converted by xlbarrier {version}; nothing was trained.'
        return
    train = config.get('train', {})
    how = 'low-rank adapters' if train.get('method') == 'lora' else 'all weights'
    at = _SNAPSHOT.fullmatch(name.removesuffix(ADAPTER))
    updates = at['step'] if at else trained.get('steps', '')
    yield (
        f'{base}, fine-tuned by xlbarrier {version} ({how}) on the text of the `{arm}` arm, to'
        ' lower the cross-lingual knowledge barrier: what a model can answer in English and not in'
        ' another language.'
    )
    yield ''
    facts = {
        'updates': updates,
        'rows of text': trained.get('rows'),
        'tokens trained on': '' if at else trained.get('tokens'),
        'passes over the text': '' if at else trained.get('epochs'),
        'learning rate': train.get('learning_rate'),
        'seed': config.get('seed'),
        'text, SHA-256': corpus.get('sha256') or corpus.get('digest'),
        'base model, SHA-256': record.get('models', {}).get('base', {}).get('fingerprint'),
        'commit of xlbarrier': record.get('git_commit'),
    }
    shown = [[key, str(value)] for key, value in facts.items() if value not in (None, '')]
    yield from table(['', 'value'], shown)


def _barrier(numbers: Numbers, model: str) -> Iterator[str]:
    """Accuracies before and after by language, for each task and method that was tested."""
    tested = numbers.rows_of('above_chance_p', model=model)
    asked = list(dict.fromkeys((row['task'], row['method']) for row in tested))
    if not asked:
        return
    yield from ('## The barrier before and after', '')
    yield (
        'Right answers in %, and changes in points with 95 % intervals; p: paired test on the same'
        ' questions, Holm-adjusted.'
    )
    for task, method in asked:
        key = {'task': task, 'method': method}
        yield from ('', f'{markdown_cell(task)}, method {method}:', '')
        lines = list(_lines(numbers, model, key))
        yield from table(['language', 'before', 'after', 'change', 'p'], lines)
        yield ''
        yield from (f'{sentence}' for sentence in words.effect(numbers, model, key))
    yield ''


def _lines(numbers: Numbers, model: str, key: Mapping[str, str]) -> Iterator[list[str]]:
    full = {'variant': 'full', **key}
    codes = numbers.values('language', metric='accuracy', model=model, **full)
    codes.sort(key=lambda code: (code in (MEAN, ALL), code != SOURCE, code))
    asked = [('accuracy', 'difference_to_base', code, language_words(code)) for code in codes]
    asked += [('barrier_gap', 'gap_difference_to_base', MEAN, 'barrier: English minus the mean')]
    for metric, change, code, name in asked:
        before, after = (
            next(iter(numbers.rows_of(metric, model=m, language=code, **full)), None)
            for m in ('base', model)
        )
        if after is None:
            continue
        row = numbers.find(metric=change, model=model, language=code, **full)
        yield [
            name,
            percent(before['value']) if before else '–',
            percent(after['value']),
            f'{points(row["value"])} {interval(row, points)}' if row else '–',
            words.p_value(row['p_holm']) if row else '–',
        ]


def _loading(name: str, base: str, adapter: bool) -> list[str]:
    place = json.dumps(f'export/{name}')
    if adapter:
        code = [
            'from peft import PeftModel',
            'from transformers import AutoModelForCausalLM',
            '',
            f'base = AutoModelForCausalLM.from_pretrained({json.dumps(base)})',
            f'model = PeftModel.from_pretrained(base, {place})',
        ]
    else:
        code = [
            'from transformers import AutoModelForCausalLM, AutoTokenizer',
            '',
            f'tokenizer = AutoTokenizer.from_pretrained({place})',
            f'model = AutoModelForCausalLM.from_pretrained({place})',
        ]
    field = 'model.adapter' if adapter else 'model.source'
    return [
        '## How to load it',
        '',
        '```python',
        *code,
        '```',
        '',
        'To measure it:',
        '',
        '```',
        f'xlbarrier eval --config=worldfacts --workdir=runs/again --config.{field}=export/{name}',
        '```',
        '',
    ]
