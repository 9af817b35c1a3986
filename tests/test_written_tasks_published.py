"""TOFU, NTREX, FLORES, MGSM and XQuAD as published: whole, aligned, and read to the last item."""

import json
import lzma

import pytest

from xlbarrier import metrics
from xlbarrier.config.written import MgsmConfig, TofuConfig, TranslationConfig, XquadConfig
from xlbarrier.rescore import tofu as recorded
from xlbarrier.tasks.tofu import Tofu, numbers_of
from xlbarrier.tasks.translation import Translation
from xlbarrier.tasks.word_problems import Mgsm, Xquad

SIZES = {'retain': 400, 'forget01': 40, 'real_authors': 100, 'world_facts': 117}


@pytest.mark.parametrize(
    ('folder', 'languages'), [('jsonl', ('en', 'fr', 'ru', 'he', 'ar')), ('arrow', ('en', 'fr'))]
)
def test_tofu_in_five_languages_and_both_forms(test_data, folder, languages):
    config = TofuConfig(
        source=str(test_data / 'tofu'),
        translations=str(test_data / 'tofu_multilingual' / folder),
        languages=languages,
        sets=tuple(SIZES),
    )
    task = Tofu(config)
    for (set_, language), items in task.items.items():
        assert len(items) == SIZES[set_], (set_, language)
        assert all(item.perturbed for item in items)
        again = [item.paraphrased != item.answer for item in items]
        assert any(again) == (set_ in ('retain', 'forget01'))
    lines = (test_data / 'tofu/retain_perturbed.jsonl').read_text().splitlines()
    first = json.loads(lines[0])
    assert task.items['retain', 'en'][0].perturbed == tuple(first['perturbed_answer'])
    if folder == 'jsonl':
        assert 'א' <= task.items['retain', 'he'][0].question[0] <= 'ת'


def test_tofus_numbers_are_those_of_the_rescored_recording(test_data):
    """The task's numbers from recorded losses equal those that mode rescore takes from them."""
    paths = recorded.find(test_data / 'tofu_recorded')
    names = {'retain', 'forget', 'real_authors', 'world_facts'}
    found = {one.variant: one for one in recorded.read(paths[: len(paths) // 2])}
    assert set(found) == names
    for variant, one in found.items():
        log = json.loads(lzma.decompress(one.path.read_bytes()))
        for i, id_ in enumerate(one.ids):
            losses = [log[k][id_] for k in ('avg_gt_loss', 'avg_paraphrased_loss')]
            made = numbers_of(*losses, log['average_perturb_loss'][id_], variant)
            for name, value in made.items():
                assert value == pytest.approx(float(one.values[name][i]), rel=1e-5, abs=1e-6)


def test_ntrex_and_flores_align(test_data):
    codes = ('en=src.eng', 'de=ref.deu', 'zh=ref.zho-CN', 'he=ref.heb', 'ar=ref.arb')
    source = str(test_data / 'ntrex/newstest2019-{language}.txt')
    languages = ('de', 'zh', 'he', 'ar')
    task = Translation(
        TranslationConfig(source=source, languages=languages, codes=codes, shots=2, limit=5)
    )
    assert {len(items) for items in task.asked.values()} == {5} and len(task.asked) == 8
    whole = Translation(TranslationConfig(source=source, languages=('he',), codes=codes, shots=0))
    assert len(whole.asked['x-en', 'he']) == 1997
    flores = test_data / 'crosslingual-knowledge-barriers/Translation/data/flores'
    task = Translation(TranslationConfig(source=str(flores / '{language}.devtest'), shots=0))
    assert {len(items) for items in task.asked.values()} == {100}


def test_mgsm_in_eleven_languages(test_data):
    task = Mgsm(MgsmConfig(source=str(test_data / 'mgsm')))
    assert len(task.asked) == 11 and {len(items) for items in task.asked.values()} == {250}
    assert task.asked['full', 'th'][0].references == ('18',)
    for sheet, items in task.asked.items():
        for item in items:
            text = f'{item.references[0]}'
            assert task.numbers_of(item, sheet, text) == {'exact_match': 1.0}


def test_xquad_in_six_languages(test_data):
    task = Xquad(XquadConfig(source=str(test_data / 'xquad')))
    assert len(task.asked) == 6 and {len(items) for items in task.asked.values()} == {1190}
    for sheet, items in task.asked.items():
        for item in items[:200]:
            right = task.numbers_of(item, sheet, item.references[0])
            # What MLQA's script takes for an article alone leaves nothing to be compared.
            if metrics.mlqa_tokens(item.references[0], sheet[1]):
                assert right['f1_mlqa'] == right['exact_match_mlqa'] == 1
            assert right['exact_match'] == 1
