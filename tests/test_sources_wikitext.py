"""WikiText: articles and headings, and the rules that make tokens text again."""

import json

import pytest

from xlbarrier.config.corpus import TextConfig
from xlbarrier.corpus import filters, sources, wikitext
from xlbarrier.datafiles import DataError

PAGE = (
    ' \n = Blue lobster = \n \n'
    ' The lobster , known as " Homarus <unk> " , weighs 0 @.@ 7 kg ( 1 lb ) . \n \n'
    " = = Life = = \n \n It 's well @-@ known . \n = 1 / s and = \n \n"
    ' = Crab = \n \n 4 @,@ 000 crabs <unk> . \n'
)


@pytest.fixture
def page(tmp_path):
    (tmp_path / 'wiki.tokens').write_text(PAGE, encoding='utf-8')
    return f'wikitext:{tmp_path}/wiki.tokens'


def parts(spec, **fields):
    source = sources.open_source(spec, TextConfig(**fields))
    return [[(p.row, p.heading, p.text) for p in d.parts] for d in source.documents()]


def test_articles_headings_and_rows(page):
    assert parts(page) == [
        [
            (0, True, 'Blue lobster'),
            (1, False, 'The lobster, known as "Homarus", weighs 0.7 kg (1 lb).'),
            (2, True, 'Life'),
            (3, False, "It's well-known."),
            (4, False, '= 1 / s and ='),
        ],
        [(5, True, 'Crab'), (6, False, '4,000 crabs.')],
    ]
    assert [[row for row, _, _ in d] for d in parts(page, headings='drop')] == [[1, 3, 4], [6]]


def test_unknown_words_and_tokens_as_configured(page):
    kept = parts(page, unknown='keep', detokenize=False)
    assert kept[0][1][2] == 'The lobster , known as " Homarus <unk> " , weighs 0.7 kg ( 1 lb ) .'
    assert [row for row, _, _ in parts(page, unknown='drop')[0]] == [0, 2, 3, 4]
    assert [row for row, _, _ in parts(page, unknown='drop')[1]] == [5]


@pytest.mark.parametrize(
    ('tokens', 'text'),
    [
        ('a , b ; c : d . e ! f ? g ...', 'a, b; c: d. e! f? g...'),
        ('( a ) [ b ] $ 5 £ 6 20 %', '(a) [b] $5 £6 20%'),
        ('" a b " , he said , " c . "', '"a b", he said, "c."'),
        ("it 's don 't we 've ' quoted words ' the ships ' guns", None),
        ('at 19 : 30 , 1949 – 1950', 'at 19:30, 1949–1950'),
        ('<unk> @-@ class ship', 'class ship'),
        ('the ( <unk> , <unk> ) of', 'the of'),
        ('of <unk> , <unk> , Horace', 'of, Horace'),
        ("<unk> 's work", 'work'),
        ('<unk>', ''),
        ('No . 5 .45 calibre', 'No. 5 .45 calibre'),
    ],
)
def test_rules(tokens, text):
    if text is None:
        text = "it's don't we've 'quoted words' the ships' guns"
    assert wikitext.plain(tokens) == text


def test_headings():
    assert wikitext.heading('= A b =') == (1, 'A b')
    assert wikitext.heading('= = = A = = =') == (3, 'A')
    assert wikitext.heading('= = A =') == (0, '') == wikitext.heading('a = b')


def test_an_article_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(wikitext, 'MAX_RECORD_BYTES', 100_000)  # 16 MiB would take long
    (tmp_path / 'a').write_text('a line of text without any title at all\n' * 3_000)
    with pytest.raises(DataError, match='are its titles written = so ='):
        list(sources.open_source(f'wikitext:{tmp_path}/a', TextConfig()).documents())


def test_wikitext2_is_read_whole(test_data):
    found = parts(f'wikitext:{test_data}/wikitext2/*.txt', unknown='keep', detokenize=False)
    assert len(found) == 120
    rows = [row for article in found for row, _, _ in article]
    assert rows == sorted(rows) and all(article[0][1] for article in found)
    lines = 0
    for name in ('test', 'valid'):
        text = (test_data / f'wikitext2/{name}.txt').read_text(encoding='utf-8')
        lines += sum(1 for line in text.split('\n') if line.strip())
    assert rows[-1] == lines - 1
    natural = parts(f'wikitext:{test_data}/wikitext2/*.txt')
    text = '\n'.join(t for article in natural for _, _, t in article)
    for mark in ('<unk>', '@-@', '@,@', '@.@', ' , ', ' . ', ' ; ', '( ', ' )'):
        assert mark not in text, mark


def test_the_published_indices_work_as_they_are(test_data, tmp_path):
    """WikiText-103's row numbers about Harry Potter, over lines that are not blank."""
    path = next((test_data / 'crosslingual-knowledge-barriers/HP').rglob('*.json'))
    rows = filters.read_rows(path)
    published = json.loads(path.read_text())['HP-related-index']
    assert rows == set(published) and len(rows) == 4358
    assert max(rows) < 1_165_029  # rows of WikiText-103's train split that are not blank
