"""Models of CTranslate2 against transformers' own generation, on real tiny ones made here."""

import builtins
import json
import shutil

import pytest
import torch

from tests import tiny_translators as tiny
from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.datafiles import DataError
from xlbarrier.translate import seq2seq
from xlbarrier.translate.make import make_translator
from xlbarrier.translate.protocol import Failed, TranslatorError

ODD = ['Dog dog dog the river.', 'A river sleeps in the cat.', 'Ωmega walks?', 'house']


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return tmp_path_factory.mktemp('models')


@pytest.fixture(scope='module')
def marian(root):
    return tiny.marian(root / 'opus-en-de', {'deu': tiny.GERMAN})


@pytest.fixture(scope='module')
def marian_many(root):
    targets = {'deu': tiny.GERMAN, 'fra': tiny.FRENCH}
    return tiny.marian(root / 'many-en', targets, codes=('deu', 'fra', 'cmn_Hans'))


@pytest.fixture(scope='module')
def m2m100(root):
    codes = {'en': tiny.ENGLISH, 'de': tiny.GERMAN, 'fr': tiny.FRENCH}
    return tiny.multilingual(root / 'm2m', 'm2m100', codes)


@pytest.fixture(scope='module')
def nllb(root):
    codes = {'eng_Latn': tiny.ENGLISH, 'deu_Latn': tiny.GERMAN, 'fra_Latn': tiny.FRENCH}
    return tiny.multilingual(root / 'nllb', 'nllb', codes)


def make(place, **fields):
    fields = {'compute_type': 'float32', 'max_tokens': 41, 'device': 'cpu'} | fields
    return make_translator(TranslatorConfig(kind='seq2seq', place=str(place), **fields))


def same(found, model, texts, beam, **more):
    """Compares text by text; what did not end in time has failed with us."""
    ended = 0
    for text, answer in zip(texts, found, strict=True):
        # CTranslate2 ends a search where transformers does with early_stopping.
        theirs = model.generate(text, beam, early_stopping=beam > 1, **more)
        if isinstance(answer, Failed):
            assert 'no end after' in answer.reason
            assert len(model.tokenizer(text_target=theirs)['input_ids']) > 30
            continue
        ended += 1
        assert answer == theirs
    assert ended >= len(tiny.ENGLISH)


@pytest.mark.parametrize('beam', [1, 4])
@torch.inference_mode()
def test_marian_as_transformers_generates(root, marian, beam):
    translator = make(root / 'opus-{source}-{target}', beam=beam)
    texts = tiny.ENGLISH + ODD
    found = translator.translate(texts, 'en', 'de')
    assert beam > 1 or found[:4] == tiny.GERMAN  # it has learned them
    same(found, marian, texts, beam)
    # The batch a text is in makes no difference here.
    assert (
        make(root / 'opus-{source}-{target}', beam=beam, batch_tokens=1).translate(
            texts[:4], 'en', 'de'
        )
        == (found[:4])
    )
    assert translator.supports('en', 'de') and not translator.supports('de', 'en')
    assert not translator.supports('en', 'fr') and translator.supports('en-US', 'deu')


@pytest.mark.parametrize('beam', [1, 4])
@torch.inference_mode()
def test_marian_of_several_targets(root, marian_many, beam):
    translator = make(root / 'many-{source}', beam=beam)
    for target, code, lines in (('de', 'deu', tiny.GERMAN), ('fr', 'fra', tiny.FRENCH)):
        found = translator.translate(tiny.ENGLISH, 'en', target)
        assert beam > 1 or found == lines
        assert found == [marian_many.generate(f'>>{code}<< {text}', beam) for text in tiny.ENGLISH]
    assert translator.supports('en', 'zh-CN') and not translator.supports('en', 'ja')


@pytest.mark.parametrize('beam', [1, 4])
@torch.inference_mode()
def test_m2m100(root, m2m100, beam):
    translator = make(root / 'm2m', beam=beam)
    for target, lines in (('de', tiny.GERMAN), ('fr-CA', tiny.FRENCH)):
        found = translator.translate(tiny.ENGLISH + ODD, 'en', target)
        assert beam > 1 or found[:4] == lines
        forced = m2m100.tokenizer.get_lang_id(target[:2])
        same(found, m2m100, tiny.ENGLISH + ODD, beam, forced_bos_token_id=forced)
    for pair in (('en', 'zh'), ('he', 'nb'), ('sw', 'ja'), ('de', 'en')):
        assert translator.supports(*pair)
    assert not translator.supports('en', 'en') and not translator.supports('en', 'mi')
    with pytest.raises(TranslatorError, match=r'm2m does not translate from en into mi'):
        translator.translate(['a'], 'en', 'mi')


@pytest.mark.parametrize('beam', [1, 4])
@torch.inference_mode()
def test_nllb(root, nllb, beam):
    translator = make(root / 'nllb', beam=beam)
    for target, code, lines in (('de', 'deu_Latn', tiny.GERMAN), ('fr', 'fra_Latn', tiny.FRENCH)):
        found = translator.translate(tiny.ENGLISH + ODD, 'en', target)
        assert beam > 1 or found[:4] == lines
        forced = nllb.tokenizer.convert_tokens_to_ids(code)
        same(found, nllb, tiny.ENGLISH + ODD, beam, forced_bos_token_id=forced)


# What each language of the two papers and of the test data is called.
NAMES = {
    'ar': ('arb_Arab', '__ar__'), 'bn': ('ben_Beng', '__bn__'), 'de': ('deu_Latn', '__de__'),
    'es': ('spa_Latn', '__es__'), 'fr': ('fra_Latn', '__fr__'), 'he': ('heb_Hebr', '__he__'),
    'hi': ('hin_Deva', '__hi__'), 'it': ('ita_Latn', '__it__'), 'ja': ('jpn_Jpan', '__ja__'),
    'ko': ('kor_Hang', '__ko__'), 'nb': ('nob_Latn', '__no__'), 'pl': ('pol_Latn', '__pl__'),
    'pt': ('por_Latn', '__pt__'), 'ru': ('rus_Cyrl', '__ru__'), 'sw': ('swh_Latn', '__sw__'),
    'th': ('tha_Thai', '__th__'), 'tr': ('tur_Latn', '__tr__'), 'vi': ('vie_Latn', '__vi__'),
    'zh': ('zho_Hans', '__zh__'), 'fa': ('pes_Arab', '__fa__'), 'ms': ('zsm_Latn', '__ms__'),
}  # fmt: skip


def test_bcp_47_in_each_familys_own_codes(root, m2m100, nllb):
    for code, names in NAMES.items():
        for folder, name in zip(('nllb', 'm2m'), names, strict=True):
            _, before, prefix = make(root / folder)._model('en', code)
            assert prefix == [name] and before == ['eng_Latn' if folder == 'nllb' else '__en__']
            assert make(root / folder)._model(code, 'en')[1] == [name]
    assert make(root / 'nllb')._model('en', 'zh-TW')[2] == ['zho_Hant']


def test_what_is_too_long_has_failed_and_is_not_cut(root, marian):
    translator = make(root / 'opus-{source}-{target}', max_tokens=30)
    short, long = translator.translate([tiny.ENGLISH[2], 'dog ' * 40], 'en', 'de')
    assert short == tiny.GERMAN[2]
    assert isinstance(long, Failed) and 'tokens, more than config' in long.reason
    translator = make(root / 'opus-{source}-{target}', max_tokens=19)
    (answer,) = translator.translate([tiny.ENGLISH[1]], 'en', 'de')
    assert isinstance(answer, Failed) and answer.reason.startswith('no end after 19 tokens')
    assert translator.translate([], 'en', 'de') == []
    # As many as the model has positions for.
    whole = make(root / 'opus-{source}-{target}', max_tokens=64)
    assert len(whole.translate(['dog ' * n for n in range(1, 30)], 'en', 'de')) == 29


def test_the_fingerprint_is_of_model_beam_and_lengths(root, marian, tmp_path):
    shutil.copytree(root / 'opus-en-de', tmp_path / 'opus-en-de')
    before = make(root / 'opus-{source}-{target}').fingerprint
    assert make(tmp_path / 'opus-{source}-{target}').fingerprint == before
    for fields in ({'beam': 2}, {'max_tokens': 9}, {'compute_type': 'int8'}):
        assert make(root / 'opus-{source}-{target}', **fields).fingerprint != before
    assert make(root / 'opus-{source}-{target}', batch_tokens=9).fingerprint == before
    path = tmp_path / 'opus-en-de/model.bin'
    path.write_bytes(path.read_bytes()[:-1] + b'\x7f')
    assert make(tmp_path / 'opus-{source}-{target}').fingerprint != before


def test_folders_that_cannot_be_used_are_named(root, marian, m2m100, tmp_path):
    with pytest.raises(TranslatorError, match=r'has no model\.bin: convert the model first'):
        make(tmp_path)
    with pytest.raises(
        TranslatorError, match='is a Marian model, which does not say its languages'
    ):
        make(root / 'opus-en-de')
    (tmp_path / 'one-en').symlink_to(root / 'opus-en-de')
    with pytest.raises(TranslatorError, match=r'one-en is a Marian model with one target'):
        make(tmp_path / 'one-{source}')
    with pytest.raises(TranslatorError, match=r'a seq2seq translator expects a folder'):
        make(tmp_path / '{language}')
    broken = tmp_path / 'm2m'
    shutil.copytree(root / 'm2m', broken)
    (broken / 'model.bin').write_bytes((broken / 'model.bin').read_bytes()[:1000])
    with pytest.raises(TranslatorError, match=r'm2m cannot be loaded: '):
        make(broken).translate(['a'], 'en', 'de')
    (broken / 'shared_vocabulary.json').write_text('[')
    with pytest.raises(DataError, match=r'shared_vocabulary\.json is not JSON'):
        make(broken)
    (broken / 'sentencepiece.bpe.model').unlink()
    with pytest.raises(TranslatorError, match=r'm2m has no SentencePiece model: copy source'):
        make(broken)
    names = json.loads((root / 'm2m/shared_vocabulary.json').read_text())
    assert seq2seq._languages(names)[0] == 'm2m100'


@pytest.mark.parametrize('name', ['ctranslate2', 'sentencepiece'])
def test_the_extra_is_named_where_it_is_not_installed(tmp_path, monkeypatch, name):
    real = builtins.__import__

    def absent(wanted, *args, **kwargs):
        if wanted == name:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
        return real(wanted, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', absent)
    with pytest.raises(TranslatorError, match=rf"needs {name}, .*pip install 'xlbarrier\[transl"):
        make(tmp_path)
