"""A study with an objective of pairs, the guard and two seeds, end to end on a tiny Llama."""

import collections
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xlbarrier import config as config_lib
from xlbarrier.config.checks import ConfigError
from xlbarrier.data.mixture import Stages
from xlbarrier.data.pairs import EncodedPair, EncodedSide
from xlbarrier.data.pipeline import batch_at
from xlbarrier.datafiles import DataError
from xlbarrier.mesh import make_mesh
from xlbarrier.models import load
from xlbarrier.modes import pairs, start, study
from xlbarrier.modes.corpus import build_all
from xlbarrier.modes.training_data import prepare
from xlbarrier.report import summary
from xlbarrier.run import RunError
from xlbarrier.tasks import registry
from xlbarrier.train.objectives.option_distillation import option_distillation_loss

TASK = {
    'relations': ('city_country', 'country_language'),
    'held_out': ('city_country',),
    'languages': ('en', 'de'),
    'questions': 4,
    'part': 'test',
    'variants': ('full',),
}
TRAIN = {
    'steps': 1,
    'batch_rows': 8,
    'row_tokens': 128,
    'warmup_steps': 0,
    'pairs': {'files': ('task:worldfacts',), 'rows': 4},
}


def resolved(model, **values):
    settings = {
        'mode': 'study',
        'model': {'source': str(model)},
        'mesh': {'data': 4, 'tensor': 2},
        'arms': ('mixed+dco',),
        'seeds': (0, 1),
        'tasks': {'worldfacts': TASK},
        'train': TRAIN,
        'corpus': {
            'documents': 40,
            'languages': ('en', 'de'),
            'stages': ('sentence', 'monolingual'),
        },
        'score': {'row_tokens': 128},
        'report': {'bootstrap_draws': 200},
    }
    return config_lib.resolve(settings | values)


@pytest.fixture(scope='module')
def finished(tiny_llama, tmp_path_factory):
    folder = tmp_path_factory.mktemp('study')
    study.study(folder, resolved(tiny_llama))
    return folder


def test_seeds_are_pooled_in_results_and_report(finished):
    rows = json.loads((finished / 'results.json').read_text())['rows']
    kept = {(r['model'], r['variant'], r['language'], r['metric']): r for r in rows}
    pooled = kept['mixed+dco', 'full', 'de', 'accuracy']
    each = [kept[f'mixed+dco@{seed}', 'full', 'de', 'accuracy'] for seed in (0, 1)]
    assert pooled['value'] == pytest.approx(sum(r['value'] for r in each) / 2)
    assert pooled['seeds'] == 2 and pooled['arm'] == each[0]['arm'] == 'mixed+dco'
    mean = kept['mixed+dco', 'full', 'mean:non-en', 'difference_to_base']
    smallest = kept['mixed+dco', 'full', 'mean:non-en', 'smallest_difference_to_base']
    assert 'p_holm' in mean and smallest['value'] >= 0
    report = (finished / 'report.md').read_text()
    assert '@1' not in report and 'Each arm is the mean of 2 seeds' in report
    assert 'with a power of 80 %, in points: mixed+dco ' in report
    heads = [line for line in summary.text(rows).splitlines() if ': right of ' in line]
    assert heads and all(h.split()[-2:] == ['base', 'mixed+dco'] for h in heads)


def test_the_run_says_what_was_trained_on(finished):
    run = json.loads((finished / 'run.json').read_text())
    assert run['pairs']['dco']['relations'] == {'country_language': run['pairs']['dco']['pairs']}
    assert run['pairs']['dco']['languages'] == {'de': run['pairs']['dco']['pairs']}
    for name in ('mixed+dco@0', 'mixed+dco@1'):
        trained = run['trained'][name]
        assert trained['positions'] == 8 * 128 and trained['objective'] == 'dco'
        assert trained['tokens_predicted'] < trained['tokens_seen'] <= trained['positions']
    assert set(run['training']) == {'mixed+dco'}
    split = json.loads((finished / 'split/worldfacts.json').read_text())
    assert split['part'] == 'test' and split['held_out'] == ['city_country']
    logged = [json.loads(line) for line in (finished / 'metrics.jsonl').read_text().splitlines()]
    assert {row['arm'] for row in logged} == {'mixed+dco@0', 'mixed+dco@1'}
    losses = [row['loss_pairs'] for row in logged if row['step'] == 1]
    assert losses[0] != losses[1]  # another order of the data


def test_reference_scores_are_computed_once_and_those_of_other_weights_refused(
    finished, tiny_llama, monkeypatch
):
    config = resolved(tiny_llama, arms=('english+dco',))  # not trained yet
    tasks = registry.make_tasks(config)
    run = type('Run', (), {'path': lambda self, name: finished / name, 'lead': False})()
    encoded = pairs._encode(config, pairs.find(config, tasks))
    monkeypatch.setattr(pairs.api, 'load_model', lambda *a, **k: pytest.fail('computed again'))
    reference = pairs._reference(run, config, None, encoded)
    assert reference.shape == (len(encoded), 2, 4) and (reference < 0).all()
    path = finished / 'references/pairs.json'
    text = path.read_text()
    record = json.loads(text)
    path.write_text(json.dumps(record | {'fingerprint': 'abc'}))
    with pytest.raises(RunError, match=r"pairs\.json: fingerprint is 'abc', expected .*other weig"):
        pairs._reference(run, config, None, encoded)
    path.write_text(text)
    with pytest.raises(RunError, match=r'pairs is .*of other weights or other pairs'):
        pairs._reference(run, config, None, encoded[1:])


def test_an_item_paired_with_itself_is_read_by_option_distillation_alone(tiny_llama, tmp_path):
    """The base model has nothing to learn from it: its loss is of the other pairs alone."""
    arms = ('english+option_distillation', 'english+dco', 'english+contrast')
    train = TRAIN | {'pairs': TRAIN['pairs'] | {'limit': 40}}
    task = TASK | {'pair_variants': ('mixup', 'own')}
    config = resolved(tiny_llama, arms=arms, tasks={'worldfacts': task}, train=train)
    tasks = registry.make_tasks(config)
    every, found = tasks['worldfacts'].pairs(), pairs.find(config, tasks)
    for some in (every, found):
        assert {p.target.language for p in some if p.is_own} == {'en', 'de'}
        assert {p.target.language for p in some if not p.is_own} == {'en', 'de'}
    own = sum(pair.is_own for pair in every)
    assert own < len(every) < 2 * own  # some names are spelled alike

    told = {}
    run = type(
        'Run',
        (),
        {
            'folder': tmp_path,
            'lead': False,
            'path': lambda self, name: tmp_path / name,
            'update_provenance': lambda self, pairs: told.update(pairs),
        },
    )()
    mesh = make_mesh(1, 1, 1, jax.devices()[:1])
    made = pairs.prepare(run, config, mesh, tasks, dict.fromkeys(arms))
    mixed = [pair for pair in found if not pair.is_own]
    # In one language the contexts are the same, whatever the options are in.
    across = [pair for pair in found if pair.source.context != pair.target.context]
    expected = {'option_distillation': found, 'dco': mixed, 'contrast': across}
    for objective, read in expected.items():
        said = told[objective]
        for name, values in (
            ('languages', [pair.target.language for pair in read]),
            ('relations', [pair.relation for pair in read]),
        ):
            assert said[name] == dict(collections.Counter(values)), objective
        assert said['pairs'] == made[f'english+{objective}'].pairs.pairs
    assert told['option_distillation']['pairs'] == len(found) == 40
    assert told['contrast']['pairs'] == len(across) > 0
    # Two options of an English question may both be in English, and such a pair says nothing.
    assert 0 < told['dco']['pairs'] < len(mixed) < len(found)

    decoder = load.load_decoder(tiny_llama, mesh)
    everything = made['english+option_distillation'].pairs
    arrays = everything.arrays
    is_own = np.isclose(arrays['reference'][:, :, 0], arrays['reference'][:, :, 1]).all(-1)
    without = arrays | {'options': arrays['options'] * ~is_own[..., None]}
    losses = []
    with jax.set_mesh(mesh):
        for some in (arrays, without):
            batch = {name: jnp.asarray(array) for name, array in some.items()}
            loss, count = option_distillation_loss(decoder, batch, config.train)
            assert int(count) == len(found)
            losses.append(float(loss))
    assert losses[0] == pytest.approx(losses[1], abs=1e-3) and losses[1] > 1


@pytest.mark.parametrize('objective', ['dco', 'pivot_dpo'])
def test_a_pair_whose_two_options_are_alike_on_both_sides_is_left_out(tiny_llama, objective):
    english = EncodedSide([1, 2], ([3], [4]))
    pair = EncodedPair(0, (english, english._replace(options=([3], [5]))), 'task x')
    alike = EncodedPair(1, (english, english), 'task x')
    reference = np.array([[[-1, -2], [-1, -3]], [[-1, -2], [-1, -2]]], np.float32)
    config = resolved(tiny_llama)
    laid = pairs._laid(objective, [alike, pair], reference[::-1], config)
    assert laid.pairs == 1 and laid.arrays['item'].max() == 0
    kept = laid.arrays['reference'][laid.arrays['item'] == 0]
    assert sorted(kept[0, 1].tolist()) == [-3, -1]  # its own scores, not those of the one before
    with pytest.raises(DataError, match='task x: the two options of every pair are alike'):
        pairs._laid(objective, [alike], reference[1:], config)


@pytest.mark.parametrize(
    ('arms', 'variants', 'words'),
    [
        (('english+dco',), ('full', 'own'), r'worldfacts\.pair_variants has own: .*leave own out'),
        (
            ('english+option_distillation', 'english+dco'),
            ('own',),
            r'dco can learn nothing from these .* pairs, the first of which is from config\.tasks',
        ),
    ],
)
def test_items_paired_with_themselves_that_an_arm_cannot_read_are_refused(
    tiny_llama, arms, variants, words
):
    task = TASK | {'pair_variants': variants}
    config = resolved(tiny_llama, arms=arms, tasks={'worldfacts': task})
    with pytest.raises(ConfigError, match=words):
        pairs.find(config, registry.make_tasks(config))


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'seeds': (1, 1)}, r'config\.seeds is \(1, 1\); .* none of them twice'),
        ({'arms': ('mixed+dcp',)}, "'mixed\\+dcp'; after '\\+' an objective .*Did you mean 'dco'"),
        ({'arms': ('mixd+dco',)}, "'mixd\\+dco'; expected one of english"),
        ({'train': {'steps': 2, 'warmup_steps': 1}}, 'the objective dco needs pairs, and'),
        (
            {'train': TRAIN | {'batch_rows': 4}},
            r'batch_rows is 4, of which config\.train\.pairs\.rows = 4 are pairs',
        ),
        (
            {
                'train': TRAIN
                | {
                    'pairs': {'weight': 0.0, 'text_weight': 0.0},
                }
            },
            'are all 0: nothing would be learned',
        ),
        ({'mode': 'train'}, 'mode train fine-tunes one model'),
        (
            {'arms': ('curriculum',), 'corpus': {}},
            r"corpus\.unit is 'words:1'; expected sentence, the unit of config\.corpus\.source",
        ),
        (
            {'arms': ('curriculum+contrast',), 'corpus': {'stages': ('sentence',)}},
            'a curriculum is an order of text',
        ),
    ],
)
def test_what_does_not_fit_is_refused(tiny_llama, values, words):
    with pytest.raises(ConfigError, match=words):
        resolved(tiny_llama, **values)


def test_pairs_that_cannot_be_trained_on_are_refused_before_any_work(tiny_llama, tmp_path):
    side = {'context': 'a', 'options': [' b', ' c']}
    row = {'id': '1', 'relation': 'city_country', 'languages': {'en': side, 'de': side}}
    (tmp_path / 'pairs.jsonl').write_text(json.dumps(row))
    files = {'files': ('task:worldfacts', str(tmp_path / 'pairs.jsonl')), 'rows': 4}
    config = resolved(tiny_llama, train=TRAIN | {'pairs': files})
    with pytest.raises(DataError, match=r"line 1: .* relation 'city_country', which is held out"):
        start.begin(tmp_path / 'run', config)
    config = resolved(tiny_llama, train=TRAIN | {'pairs': {'files': ('task:world',)}})
    with pytest.raises(ConfigError, match=r"'task:world'; .* pairs: worldfacts\. Did you"):
        start.begin(tmp_path / 'run', config)
    assert not (tmp_path / 'run').exists()


def test_a_curriculum_reads_its_stages_in_order(tiny_llama, tmp_path):
    train = {'steps': 4, 'warmup_steps': 1, 'batch_rows': 8, 'row_tokens': 64}
    train |= {'guard': {'weight': 0.1, 'rows': 4}}
    config = resolved(tiny_llama, arms=('curriculum',), seeds=(), train=train)
    tasks, run, _ = start.begin(tmp_path / 'run', config)
    folders = build_all(run, config, tasks)
    assert list(folders) == ['curriculum.sentence', 'curriculum.monolingual', 'english']
    prepared = prepare(run, config, folders, tasks)
    sources = pairs.prepare(run, config, None, tasks, prepared)['curriculum']
    run.close()
    rows = prepared['curriculum']
    assert sources.text is rows and sources.guard is prepared['english'] and sources.pairs is None
    counts = sources.counts(config.train, 0)
    assert counts == {'text': 4, 'guard': 4}
    assert isinstance(rows, Stages) and [rows.stage(step) for step in range(4)] == [0, 0, 1, 1]
    seen = [batch_at(rows, step, 8, 0)['tokens'] for step in range(4)]
    for step, tokens in enumerate(seen):
        own = {row.tobytes() for row in rows.parts[step // 2].tokens}
        assert all(row.tobytes() in own for row in tokens)
    with pytest.raises(ConfigError, match=r'expected no config\.data\.files'):
        resolved(tiny_llama, arms=('curriculum',), data={'files': ('x',)}, train=train)
