"""Word for word: inflections, capitals, compounds, scripts with and without spaces, coverage."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlbarrier.config.translate import TranslatorConfig
from xlbarrier.translate import protocol
from xlbarrier.translate.dictionary import Coverage, DictionaryTranslator
from xlbarrier.translate.make import make_translator
from xlbarrier.translate.protocol import TranslatorError


def made(folder, words, source='en', target='fr', **fields):
    (folder / f'{source}-{target}.json').write_text(json.dumps(words))
    return DictionaryTranslator(f'{folder}/{{source}}-{{target}}.json', **fields)


FRENCH = {
    'dog': 'chien', 'dogs': 'meute', 'well': 'bien', 'known': 'connu', 'house': 'maison',
    'walk': 'marcher', 'March': 'mars', 'march': 'marche', 'Addis Ababa': 'Addis-Abeba',
    'ice cream': 'glace', 'US': 'USA', 'us': 'nous', 'naïve': 'naïf', "don't": 'ne pas',
}  # fmt: skip


@pytest.mark.parametrize(
    ('text', 'wanted'),
    [
        ('The dog, the dogs!', 'The chien, the meute!'),
        ('Dog DOG dog', 'Chien CHIEN chien'),
        ('March march us US Us', 'mars marche nous USA Nous'),
        ('She walked, walking.', 'She marcher, marcher.'),
        ("the dog's 'house'; Houses'", "the chien 'maison'; Maison'"),
        ('a well-known house-dog', 'a bien-connu maison-chien'),
        ('a well-made thing', 'a bien-made thing'),
        ('in Addis Ababa, ice cream', 'in Addis-Abeba, glace'),
        ('ice, cream', 'ice, cream'),
        ('  two\n spaces  dog \t', '  two\n spaces  chien \t'),
        ('nai\u0308ve 42 dog2 3.5', 'naïf 42 dog2 3.5'),
        ("I don't.", 'I ne pas.'),
        ('', ''),
        ('...', '...'),
    ],
)
def test_words(tmp_path, text, wanted):
    assert made(tmp_path, FRENCH).translate([text], 'en', 'fr') == [wanted]


def test_without_stems_only_what_stands_there_is_found(tmp_path):
    translator = made(tmp_path, FRENCH, stem=False)
    assert translator.translate(['walking DOGS'], 'en', 'fr') == ['walking MEUTE']
    assert translator.fingerprint != made(tmp_path, FRENCH).fingerprint


@pytest.mark.parametrize(
    ('source', 'words', 'text', 'wanted'),
    [
        ('de', {'Haus': 'house', 'laufen': 'run'}, 'Häuser, Hauses; läuft', 'House, House; läuft'),
        ('es', {'gato': 'cat', 'hablar': 'speak'}, 'Gatos hablando', 'Cat speak'),
        ('ru', {'собака': 'dog', 'читать': 'read'}, 'собаки собаку', 'dog dog'),
        ('it', {'gatto': 'cat'}, "L'altro gatto: i gatti", "L'altro cat: i cat"),
        ('ar', {'كتاب': 'book', 'بيت': 'house'}, 'كتاب، الكتاب؛ بيت؟', 'book، book؛ house؟'),
        ('he', {'כלב': 'dog', 'בית': 'house'}, 'כלב, בית.', 'dog, house.'),
        ('fa', {'می‌خواهم': 'want'}, 'می‌خواهم', 'want'),
        ('hi', {'हिन्दी': 'Hindi'}, 'हिन्दी।', 'Hindi।'),
    ],
)
def test_other_languages_as_source(tmp_path, source, words, text, wanted):
    assert made(tmp_path, words, source, 'en').translate([text], source, 'en') == [wanted]


def test_the_turkish_i_in_capitals_and_in_small_letters(tmp_path):
    turkish = made(tmp_path, {'ışık': 'light', 'iyi': 'good'}, 'tr', 'en')
    assert turkish.translate(['IŞIK Işık İYİ İyi'], 'tr', 'en') == ['LIGHT Light GOOD Good']
    (tmp_path / 'tr-en.json').unlink()
    english = made(tmp_path, {'good': 'iyi', 'light': 'ışık'}, 'en', 'tr')
    assert english.translate(['Good GOOD Light LIGHT'], 'en', 'tr') == ['İyi İYİ Işık IŞIK']


def test_right_to_left_target(tmp_path):
    words = {'dog': 'كلب', 'house': 'بيت'}
    found = made(tmp_path, words, target='ar').translate(['A dog, Dogs (house).'], 'en', 'ar')
    assert found == ['A كلب, كلب (بيت).']


def test_targets_without_spaces(tmp_path):
    words = {'the': 'その', 'dog': '犬', 'sleeps': '眠る', 'house': '家'}
    translator = made(tmp_path, words, target='ja')
    assert translator.translate(
        ['the dog sleeps.', 'The dog in house 7', 'dog\ndog'], 'en', 'ja'
    ) == ['その犬眠る.', 'その犬 in 家 7', '犬\n犬']
    (tmp_path / 'en-th.json').write_text(json.dumps({'dog': 'หมา', 'sleeps': 'นอน'}))
    translator = DictionaryTranslator(f'{tmp_path}/{{source}}-{{target}}.json')
    assert translator.translate(['dog sleeps'], 'en', 'th') == ['หมานอน']
    assert translator.translate(['dog sleeps'], 'en', 'ja') == ['犬眠る']


def test_sources_without_spaces(tmp_path):
    words = {'我': 'I', '爱': 'love', '北京': 'Beijing', '大学': 'university'}
    translator = made(tmp_path, words, 'zh', 'en')
    assert translator.translate(['我爱北京大学。'], 'zh', 'en') == ['I love Beijing university。']


@given(text=st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_what_has_no_entry_stays_to_the_letter(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / 'nothing'
    folder.mkdir(exist_ok=True)
    for source, target in (('en', 'fr'), ('fr', 'en'), ('zh', 'ja')):
        translator = made(folder, {'qqqqqqqq': 'x'}, source, target)
        assert translator.translate([text], source, target) == [text]


def test_coverage(tmp_path):
    translator = made(tmp_path, FRENCH)
    assert translator.coverage() == {}
    text = "The dog walked to a well-lit house's ice cream, 1905."
    translator.translate([text], 'en', 'fr')
    # entry: dog, ice, cream; inflected: walked, house's; parts: well-lit; kept: The, to, a.
    assert translator.coverage() == {'fr': Coverage(words=9, entry=3, inflected=2, parts=1)}
    found = translator.coverage()['fr']
    assert found.found == 6 and found.share == pytest.approx(6 / 9)
    translator.translate(['dog'], 'en', 'fr')
    assert translator.coverage()['fr'].words == 10
    assert Coverage(0, 0, 0, 0).share == 0


def test_languages_by_any_code(tmp_path):
    (tmp_path / 'eng-deu.tsv').write_text('dog\tHund\n')
    translator = make_translator(TranslatorConfig(place=f'{tmp_path}/{{source}}-{{target}}.tsv'))
    assert translator.supports('en', 'de') and translator.supports('en-GB', 'de-DE')
    assert not translator.supports('de', 'en')
    assert translator.translate(['Dog'], 'en', 'de') == ['Hund']
    with pytest.raises(TranslatorError, match='no translator for en-fr, en-it with'):
        protocol.check(translator, 'en', ['en', 'fr', 'de', 'it', 'fr'])
    with pytest.raises(TranslatorError, match='does not translate from en into fr'):
        translator.translate(['dog'], 'en', 'fr')


def test_the_fingerprint_is_of_the_words(tmp_path):
    before = made(tmp_path, FRENCH).fingerprint
    assert made(tmp_path, FRENCH).fingerprint == before
    assert made(tmp_path, FRENCH | {'dog': 'toutou'}).fingerprint != before


def test_place_has_to_be_told():
    with pytest.raises(TranslatorError, match=r'translator\.place is empty: a dictionary'):
        make_translator(TranslatorConfig())


def test_freedict_finds_most_words_of_running_text(test_data):
    translator = DictionaryTranslator(f'{test_data}/freedict/freedict-{{source}}-{{target}}.index')
    text = (test_data / 'wikitext2/valid.txt').read_text(encoding='utf-8')[:20_000]
    for target in ('fr', 'it', 'pl', 'ru', 'es'):
        assert translator.supports('en', target)
        translator.translate([text], 'en', target)
    shares = {target: found.share for target, found in translator.coverage().items()}
    assert all(0.3 < share < 1 for share in shares.values()), shares
