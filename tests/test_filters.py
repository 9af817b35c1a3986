"""What is taken of a source: rows, keywords, length, language, duplicates, questions left out."""

import json
import random
import sys

import pytest

from xlbarrier.config.corpus import FilterConfig, TextConfig
from xlbarrier.corpus import contamination, duplicates, filters
from xlbarrier.corpus.documents import Document, Part, single
from xlbarrier.corpus.sources import open_source
from xlbarrier.datafiles import DataError

TEXTS = [
    'Harry Potter is a series of seven fantasy novels.',
    'A lobster lives in the sea, and is blue.',
    'a LOBSTER lives in the sea and is blue',
    'Potters make pots.',
    'Who was the first president of the United States of America?',
]


def documents(texts=TEXTS):
    return [single(text, row) for row, text in enumerate(texts)]


def taken(config, folder, docs=None, questions=None, language='en'):
    made = filters.Filters(config, language, folder, questions)
    found = [document.id for document in made.apply(iter(docs or documents()))]
    report = made.report()
    made.close()
    assert not list(folder.glob('.seen*'))
    return found, report


def test_nothing_asked_for_takes_all(tmp_path):
    assert taken(FilterConfig(), tmp_path) == (
        ['0', '1', '2', '3', '4'],
        {'documents_left_out': {}},
    )


@pytest.mark.parametrize(
    'content', ['[3, 1, 1]', '{"HP-related-index": [1, 3]}', '1\n3\n', '3 1', '["1", 3]']
)
def test_rows_from_every_form_of_file(tmp_path, content):
    path = tmp_path / 'rows'
    path.write_text(content)
    found, report = taken(FilterConfig(rows=str(path)), tmp_path)
    assert found == ['1', '3'] and report['rows_listed'] == 2


def test_rows_take_the_listed_lines_of_an_article(tmp_path):
    path = tmp_path / 'rows'
    path.write_text('[1, 4]')
    articles = [
        Document('0', (Part('Title', 0, True), Part('one', 1), Part('two', 2))),
        Document('3', (Part('Other', 3, True), Part('three', 4))),
        Document('5', (Part('Third', 5, True),)),
    ]
    made = filters.Filters(FilterConfig(rows=str(path)), 'en', tmp_path)
    left = [(d.id, [p.text for p in d.parts]) for d in made.apply(iter(articles))]
    assert left == [('0', ['one']), ('3', ['three'])]


@pytest.mark.parametrize('last', ['. <unk> is here', '<unk>'])
def test_rows_that_hold_nothing_that_is_kept_may_be_listed(tmp_path, last):
    """Of WikiText: headings that are dropped, and lines of nothing but <unk>."""
    text = f' = One = \n\n text\n\n = = <unk> = = \n\n more\n\n = Two = \n\n word\n {last}\n'
    (tmp_path / 'w.tokens').write_text(text)
    (tmp_path / 'rows').write_text('[0, 1, 2, 4, 6]')
    source = open_source(f'wikitext:{tmp_path}/w.tokens', TextConfig(headings='drop'))
    found, report = taken(FilterConfig(rows=f'{tmp_path}/rows'), tmp_path, source.documents())
    kept = 1 + (last != '<unk>')
    assert found == ['1', '5'][:kept]
    assert (report['rows_listed'], report['rows_taken']) == (5, kept)


def test_reading_stops_behind_the_last_row(tmp_path):
    path = tmp_path / 'rows'
    path.write_text('[1]')
    seen = []
    docs = (seen.append(document.id) or document for document in documents())
    assert taken(FilterConfig(rows=str(path)), tmp_path, docs)[0] == ['1']
    assert seen == ['0', '1', '2']


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('[1, -2]', 'entry 1 is -2; expected a number of at least 0'),
        ('[1, "x"]', "entry 1 is 'x'"),
        ('[true]', 'entry 0 is True'),
        ('[' * 200_000, r"rows: entry 0 is '\[+; expected a number"),
        ('[1, NaN]', 'entry 1 is None'),
        ('[]', 'contains no row numbers'),
        ('', 'contains no row numbers'),
        ('{"a": [1], "b": [2]}', 'contains no row numbers'),
        ('[1, 99]', 'lists 2 rows, the last is 99; the source has 5 rows'),
    ],
)
def test_bad_rows(tmp_path, content, message):
    path = tmp_path / 'rows'
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        taken(FilterConfig(rows=str(path)), tmp_path)
    with pytest.raises(DataError, match='cannot be read'):
        filters.read_rows(tmp_path / 'none')


def test_keywords_are_whole_words_in_any_case(tmp_path):
    found, report = taken(FilterConfig(keywords=('potter', 'the sea')), tmp_path)
    assert found == ['0', '1', '2'] and report['documents_left_out'] == {'keywords': 2}


@pytest.mark.parametrize(
    ('language', 'keyword', 'with_it', 'without'),
    [
        ('zh', '哈利', '我喜欢哈利波特。', '我喜欢你。'),
        ('th', 'ตลาด', 'ฉันไปตลาดน้ำ', 'ฉันไปวัด'),
        ('hi', 'राम', 'वहाँ राम था।', 'रामायण और रामा की बात।'),
        ('ar', 'كتاب', 'هذا كتاب.', 'هذه كتابة.'),
    ],
)
def test_keywords_in_every_script(tmp_path, language, keyword, with_it, without):
    docs = documents([with_it, without])
    assert taken(FilterConfig(keywords=(keyword,)), tmp_path, docs, language=language)[0] == ['0']


def test_length_in_words(tmp_path):
    found, report = taken(FilterConfig(min_words=4, max_words=9), tmp_path)
    assert found == ['0', '1', '2']
    assert report['documents_left_out'] == {'max_words': 1, 'min_words': 1}


def test_exact_duplicates_look_at_words_only(tmp_path):
    found, report = taken(FilterConfig(duplicates='exact'), tmp_path)
    assert found == ['0', '1', '3', '4'] and report['documents_left_out'] == {'duplicates': 1}


def vary(words, share, draw):
    return [draw.choice(words) if draw.random() < share else word for word in words]


def near(words):
    return duplicates.mark(' '.join(words), 'en', near=True)


def test_near_duplicates_by_jaccard_similarity(tmp_path):
    """Of copies with words changed, those above the threshold by true similarity are found."""
    draw = random.Random(0)
    vocabulary = [f'word{i}' for i in range(3000)]
    seen = duplicates.Duplicates(tmp_path / 'd', 0.7)
    sure = {True: 0, False: 0}
    for _ in range(60):
        original = draw.choices(vocabulary, k=300)
        assert not seen.seen(near(original))
        copy = vary(original, draw.choice([0.01, 0.02, 0.2]), draw)
        grams = [{tuple(w[i : i + 5]) for i in range(296)} for w in (original, copy)]
        similarity = len(grams[0] & grams[1]) / len(grams[0] | grams[1])
        found = seen.seen(near(copy))
        if abs(similarity - 0.7) > 0.12:  # minhash of 128 is right to about 0.04
            assert found == (similarity > 0.7), similarity
            sure[found] += 1
    assert sure[True] > 10 and sure[False] > 10
    seen.close()


def test_short_documents_are_compared_too(tmp_path):
    seen = duplicates.Duplicates(tmp_path / 'd', 0.8)
    assert [seen.seen(near([text])) for text in ('One.', 'Two.', 'one!', '', '')] == [
        *(False, False, True, False, True),
    ]


def test_parts_that_share_words_with_questions_are_left_out_and_counted_by_task(tmp_path):
    questions = {
        'mmlu': ['Who was the FIRST president -- of the united states of America', 'Why?'],
        'hp': ['Is Harry Potter a wizard?', 'lives in the sea, and'],
        'none': ['Where does the sun go at night when it is dark outside?'],
    }
    article = Document('9', (Part('Intro.', 9), Part('Crabs live near here too.', 10)))
    docs = [*documents(), article, Document('11', (Part(TEXTS[4], 11), Part('Kept.', 12)))]
    config = FilterConfig(decontaminate=8)
    found, report = taken(config, tmp_path, docs, questions)
    assert found == ['0', '3', '9', '11']
    assert report['contamination'] == {
        'hp': {'questions': 2, 'too_short': 0, 'questions_met': 1, 'parts_left_out': 2},
        'mmlu': {'questions': 2, 'too_short': 1, 'questions_met': 1, 'parts_left_out': 2},
        'none': {'questions': 1, 'too_short': 0, 'questions_met': 0, 'parts_left_out': 0},
    }


@pytest.mark.parametrize('n', [5, 8, 13])
def test_contamination_agrees_with_comparing_every_n_gram(n):
    draw = random.Random(n)
    words = list('abcdefg')
    questions = [' '.join(draw.choices(words, k=draw.randint(3, 16))) for _ in range(30)]
    looked = contamination.Decontaminator({'t': questions}, n, 'en')
    runs = set()
    for text in questions:
        asked = text.split()
        size = min(n, len(asked))
        if size >= contamination.LEAST:
            runs |= {tuple(asked[i : i + size]) for i in range(len(asked) - size + 1)}
    met = 0
    for _ in range(200):
        text = draw.choices(words, k=60)
        every = {tuple(text[i : i + k]) for k in range(4, n + 1) for i in range(61 - k)}
        assert bool(looked.search(', '.join(text))) == bool(every & runs)
        met += bool(every & runs)
    assert met > 0 or n > 5


def test_language_identification(tmp_path):
    config = FilterConfig(language=0.5)
    texts = [
        'The lobster is a large animal that lives in the sea and has ten legs.',
        'Der Hummer ist ein großes Tier, das im Meer lebt und zehn Beine hat.',
        'Le homard est un grand animal qui vit dans la mer et qui a dix pattes.',
    ]
    assert taken(config, tmp_path, documents(texts))[0] == ['0']
    assert taken(config, tmp_path, documents(texts), language='fr')[0] == ['2']
    with pytest.raises(DataError, match="lingua knows no language 'haw'"):
        taken(config, tmp_path, documents(texts), language='haw')


def test_language_identification_where_its_library_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'lingua', None)
    with pytest.raises(DataError, match=r'pip install .xlbarrier\[langid\]'):
        taken(FilterConfig(language=0.5), tmp_path)


def test_the_published_rows_pick_the_lines_they_name(test_data, tmp_path):
    """The indices as published, on a WikiText file with as many lines as they need."""
    path = next((test_data / 'crosslingual-knowledge-barriers/HP').rglob('*.json'))
    rows = sorted(json.loads(path.read_text())['HP-related-index'])
    lines = (Document(str(i), (Part(f'line {i}', i),)) for i in range(rows[-1] + 5))
    found, _ = taken(FilterConfig(rows=str(path)), tmp_path, lines)
    assert found == [str(row) for row in rows]
