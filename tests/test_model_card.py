"""The model card of an export: front matter that the hub reads, and the run's own numbers."""

import json

import huggingface_hub
import pytest

from tests import report_run
from xlbarrier.report import model_card


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A finished study whose arms were exported, one of them with a snapshot and an adapter."""
    made = tmp_path_factory.mktemp('run')
    models = ('base', 'mixed', 'mixed-20steps')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_run, 'SKILL', {'base': 0.3, 'mixed': 0.6, 'mixed-20steps': 0.4})
        report_run.write(made, models, report_run.predictions(models, questions=60))
    for name in ('mixed', 'mixed-20steps', 'mixed-adapter', 'unfinished'):
        (made / 'export' / name).mkdir(parents=True)
    for name in ('mixed', 'mixed-20steps'):
        (made / 'export' / name / 'config.json').write_text('{}')
    (made / 'export' / 'mixed-adapter' / 'adapter_config.json').write_text('{}')
    (made / 'corpus' / 'mixed').mkdir(parents=True)
    # As the corpus room writes it; no unit was put into German.
    units = {'total': 6, 'by_language': {'ar': 1, 'de': 0, 'en': 3, 'fr': 2}}
    manifest = {'units': units, 'sha256': 'abc123'}
    (made / 'corpus' / 'mixed' / 'manifest.json').write_text(json.dumps(manifest))
    change(made, 'config.json', ('model', 'source'), 'hf:Org/Base-1B@main')
    change(made, 'config.json', ('train',), {'method': 'full', 'learning_rate': 1e-4})
    change(made, 'run.json', ('models', 'base', 'name'), 'Org/Base-1B')
    change(made, 'run.json', ('models', 'base', 'terms'), 'Apache-2.0')
    change(made, 'run.json', ('training', 'mixed', 'steps'), 39)
    return made


def change(folder, name, path, value):
    record = json.loads((folder / name).read_text())
    place = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / name).write_text(json.dumps(record))


def test_each_export_has_a_card_that_the_hub_reads(folder):
    written = model_card.write_all(folder)
    assert [path.parent.name for path in written] == ['mixed', 'mixed-20steps', 'mixed-adapter']
    found = huggingface_hub.ModelCard.load(written[0]).data
    assert found.language == ['en', 'ar', 'fr'] and found.license == 'apache-2.0'
    assert (found.base_model, found.base_model_relation) == ('Org/Base-1B', 'finetune')
    adapter = huggingface_hub.ModelCard.load(written[2]).data
    assert (adapter.library_name, adapter.base_model_relation) == ('peft', 'adapter')


def test_the_barrier_before_and_after_is_that_of_results_json(folder):
    model_card.write_all(folder)
    text = (folder / 'export/mixed/README.md').read_text(encoding='utf-8')
    rows = json.loads((folder / 'results.json').read_text())['rows']
    cells = {
        (r['model'], r['metric']): r['value']
        for r in rows
        if (r['variant'], r['language'], r['method']) == ('full', 'ar', 'loglikelihood')
    }
    before, after = (100 * cells[model, 'accuracy'] for model in ('base', 'mixed'))
    assert f'| Arabic | {before:.1f} | {after:.1f} | +' in text
    assert '| barrier: English minus the mean |' in text
    assert 'After the fine-tuning of the mixed arm' in text
    assert '| updates | 39 |' in text and '| text, SHA-256 | abc123 |' in text
    lines = [line for line in text.splitlines() if line.startswith('| English ')]
    assert lines and text.index('| English ') < text.index('| Arabic ')
    snapshot = (folder / 'export/mixed-20steps/README.md').read_text(encoding='utf-8')
    assert '| updates | 20 |' in snapshot and 'tokens trained on' not in snapshot


@pytest.mark.parametrize(
    ('terms', 'expected'),
    [
        ('', {}),
        ('Apache-2.0', {'license': 'apache-2.0'}),
        (
            'Gemma Terms of Use, https://ai.google.dev/gemma/terms (prohibited uses)',
            {
                'license': 'other',
                'license_name': 'Gemma Terms of Use',
                'license_link': 'https://ai.google.dev/gemma/terms',
            },
        ),
    ],
)
def test_a_licence_is_named_as_the_hub_expects(terms, expected):
    assert model_card._licence(terms) == expected


def test_a_converted_model_has_a_card_without_a_barrier(tmp_path):
    report_run.write(tmp_path, ('base',), report_run.predictions(('base',), questions=12))
    (tmp_path / 'results.json').unlink()
    (tmp_path / 'export' / 'model').mkdir(parents=True)
    (tmp_path / 'export' / 'model' / 'config.json').write_text('{}')
    (path,) = model_card.write_all(tmp_path)
    text = path.read_text(encoding='utf-8')
    assert 'nothing was trained' in text and 'before and after' not in text
    assert huggingface_hub.ModelCard.load(path).data.base_model is None, 'not on the hub'
