"""Seeds of an arm: pooled answers, intervals over items and seeds, the smallest effect."""

import numpy as np
import pytest
from scipy import stats

from tests.report_run import predictions
from xlbarrier import metrics
from xlbarrier.results import seeds
from xlbarrier.results.rows import MEAN
from xlbarrier.results.run import result_rows

DRAWS = 4000


@pytest.fixture(scope='module')
def made():
    found = predictions(('base',), questions=40)
    for arm in ('mixed', 'mixed+dco'):
        for seed in range(3):
            drawn = predictions(('mixed',), questions=40, seed=10 * len(arm) + seed)
            found |= {(f'{arm}@{seed}', *key[1:]): table for key, table in drawn.items()}
    return found


@pytest.fixture(scope='module')
def rows(made):
    return result_rows(made, draws=DRAWS)


def find(rows, **wanted):
    wanted = {'method': 'loglikelihood', 'variant': 'full', 'language': MEAN, **wanted}
    (row,) = [r for r in rows if all(r.get(k) == v for k, v in wanted.items())]
    return row


def right(made, model):
    tables = [made[model, 'worldfacts', 'full', code] for code in ('ar', 'fr', 'he', 'zh')]
    return np.mean([np.equal(t['prediction_raw'], t['answer']) for t in tables], axis=0)


def test_an_arm_is_the_mean_of_its_seeds(made, rows):
    row = find(rows, model='mixed+dco', metric='accuracy')
    own = [right(made, f'mixed+dco@{seed}') for seed in range(3)]
    assert row['value'] == pytest.approx(np.mean(own)) and (row['n'], row['seeds']) == (40, 3)
    each = find(rows, model='mixed+dco@1', language='fr', metric='accuracy')
    table = made['mixed+dco@1', 'worldfacts', 'full', 'fr']
    count = int(np.equal(table['prediction_raw'], table['answer']).sum())
    assert each['arm'] == 'mixed+dco' and 'seeds' not in each
    assert (each['ci_low'], each['ci_high']) == metrics.wilson(count, 40)


def test_differences_are_drawn_over_items_and_seeds(made, rows):
    row = find(rows, model='mixed+dco', metric='difference_to_base')
    own_SI = np.stack([right(made, f'mixed+dco@{seed}') for seed in range(3)])
    base_I = right(made, 'base')
    rng = np.random.default_rng(0)
    drawn = np.array([
        (own_SI[rng.integers(3, size=3)].mean(0) - base_I)[rng.integers(40, size=40)].mean()
        for _ in range(DRAWS)
    ])  # fmt: skip
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert row['value'] == pytest.approx((own_SI.mean(0) - base_I).mean())
    assert (row['ci_low'], row['ci_high']) == pytest.approx((low, high), abs=0.01)
    # Items alone would give a narrower interval; the p is of items at these seeds.
    whole = np.rint(12 * (own_SI.mean(0) - base_I))
    assert row['p'] == metrics.sign_flip(whole, np.zeros(40), DRAWS)
    smallest = find(rows, model='mixed+dco', metric='smallest_difference_to_base')
    expected = (stats.norm.ppf(1 - 0.025 / 2) + stats.norm.ppf(0.8)) * drawn.std()  # two arms
    assert smallest['value'] == pytest.approx(expected, rel=0.05)


def test_arms_are_compared_with_their_text_alone_and_corrected_together(rows):
    row = find(rows, model='mixed+dco', metric='difference_to_mixed')
    assert row['value'] == pytest.approx(
        find(rows, model='mixed+dco', metric='accuracy')['value']
        - find(rows, model='mixed', metric='accuracy')['value']
    )
    tested = [find(rows, model=m, metric='difference_to_base') for m in ('mixed', 'mixed+dco')]
    others = [r for r in rows if r['metric'] == 'difference_to_base' and r['language'] != MEAN
              and r['language'].startswith('mean') and r['method'] == 'loglikelihood']  # fmt: skip
    family = [*tested, *others]
    adjusted = metrics.holm([r['p'] for r in family])
    assert [r['p_holm'] for r in family] == pytest.approx(adjusted)


def test_names():
    assert seeds.arm_of('mixed+dco@12-40steps') == 'mixed+dco-40steps'
    assert seeds.is_one_seed('a@0') and not seeds.is_one_seed('a')
