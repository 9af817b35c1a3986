"""The page: complete, self-contained, right to left where it must be, and honest about chance."""

import dataclasses
import html.parser
import json
import re

import pytest

from tests import report_run
from xlbarrier.report import beside, markdown, page, plots, table_files, words
from xlbarrier.report.words import Numbers
from xlbarrier.results.numbers import verdict
from xlbarrier.results.rows import task_row


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp('run')
    report_run.write(made)
    page.write_report(made)
    return made


@pytest.fixture(scope='module')
def text(folder):
    return (folder / 'report.html').read_text(encoding='utf-8')


NAMES = ('English', 'Arabic', 'French', 'Hebrew', 'Chinese')


class Checker(html.parser.HTMLParser):
    """Notes unbalanced tags and what would be fetched."""

    VOID = ('meta', 'br', 'link', 'img', 'input', 'line', 'circle', 'polyline', 'rect')

    def __init__(self):
        super().__init__()
        self.open, self.fetched = [], []

    def handle_starttag(self, tag, attributes):
        self.fetched += [v for k, v in attributes if k in ('src', 'href') and v[:1] != '#']
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.fetched += [v for k, v in attributes if k in ('src', 'href')]

    def handle_endtag(self, tag):
        if tag in ('polyline',):
            return
        assert self.open and self.open.pop() == tag, f'</{tag}> closes another element'


def test_the_page_is_whole_and_fetches_nothing(text):
    checker = Checker()
    checker.feed(text)
    assert checker.open == [] and checker.fetched == []
    assert '@import' not in text and 'url(' not in text
    page_text = re.sub(r'<(script|style).*?</\1>', '', text, flags=re.S)
    assert not re.search(r'[{}%]\}|\{[{%]', page_text), 'no template marks are left'


def test_it_shows_what_the_issue_asks_for(text):
    for model in ('base', 'english', 'mixed'):
        assert f'{model}: right answers' in text
    assert 'Barrier gaps by language and variant' in text
    assert 'Training loss by arm' in text
    assert text.count('<article class="question">') == 10
    assert 'python -m xlbarrier.main --config=x' in text and 'c0ffee' in text


def test_right_to_left_questions_say_so(text):
    articles = re.findall(r'<article.*?</article>', text, re.S)
    seen = set()
    for article in articles:
        code, direction = re.search(r'class="ask" lang="(\w+)" dir="(\w+)"', article).groups()
        assert direction == ('rtl' if code in ('ar', 'he') else 'ltr')
        seen.add(code)
        for option_code, option_direction in re.findall(r'<bdi lang="(\w+)" dir="(\w+)"', article):
            assert option_direction == ('rtl' if option_code in ('ar', 'he') else 'ltr')
    assert {'ar', 'he', 'zh'} <= seen


def test_every_table_and_plot_has_an_address_of_its_own(text):
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids)), 'two elements have one address'
    for tag in re.findall(r'<table[^>]*>|<figure[^>]*>', text)[:-1]:  # the last is of provenance
        assert re.search(r' id="([^"]+)"', tag).group(1) in ids, tag
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)


def test_english_comes_first_in_every_table(text):
    for table in re.findall(r'<table.*?</table>', text, re.S):
        rows = re.findall(r'<tr>(.*?)</tr>', table, re.S)
        languages = [
            [cell for cell in re.findall(r'<t[hd][^>]*>([^<]*)</t', row) if cell in NAMES]
            for row in rows
        ]
        named = [row[0] for row in languages if row]
        assert not named or named[0] == 'English', table[:400]


def test_every_table_has_headers_and_every_picture_a_title(text):
    assert text.count('<svg') == text.count('role="img"')
    for table in re.findall(r'<table.*?</table>', text, re.S):
        assert 'scope="' in table


def test_numbers_in_the_heat_map_are_those_of_results_json(folder, text):
    rows = json.loads((folder / 'results.json').read_text())['rows']
    for row in rows:
        if row['metric'] == 'accuracy' and row['language'] in report_run.LANGUAGES:
            low, high = 100 * row['ci_low'], 100 * row['ci_high']
            assert f'{100 * row["value"]:.1f}<small>[{low:.1f}, {high:.1f}]</small>' in text


def test_a_clear_effect_is_told_and_noise_is_not(folder):
    numbers = Numbers(json.loads((folder / 'results.json').read_text())['rows'])
    barrier, english, mixed = words.headline(numbers, 'worldfacts', 'loglikelihood')
    assert 'a barrier of' in barrier and '95 % interval' in barrier
    assert 'not significant: it could be chance' in english
    assert re.search(r'barrier by −\d.*?, significant\)', mixed)
    letters = words.headline(numbers, 'worldfacts', 'letter')
    assert 'not significantly above guessing' in letters[0]
    assert 'a barrier of' not in letters[0]


def test_the_verdict_names_the_model_and_the_widest_barrier(folder, text):
    rows = json.loads((folder / 'results.json').read_text())['rows']
    found = verdict(Numbers(rows))
    gaps = {
        row['language']: row['value']
        for row in rows
        if (row['model'], row['metric'], row['method']) == ('base', 'barrier_gap', 'loglikelihood')
        and row['variant'] == 'full'
        and not row['language'].startswith('mean')
    }
    assert found.barrier.method == 'loglikelihood', 'letters are guesses: no barrier is read there'
    assert found.barrier.languages == 4 and found.barrier.found
    assert found.barrier.widest['language'] == max(gaps, key=gaps.get)
    assert found.change['model'] == 'mixed'
    first = words.verdict(found, 'Org/base')[0]
    assert first.startswith('Org/base is right on ') and 'in the 4 other languages' in first
    assert '<p class="verdict">Org/base is right on' in text
    assert '**Org/base is right on' in (folder / 'report.md').read_text()


def test_the_verdict_does_not_call_a_wider_barrier_the_lowest(folder):
    found = verdict(Numbers(json.loads((folder / 'results.json').read_text())['rows']))
    assert (
        'Of the fine-tuned models the mixed arm has the lowest barrier: it changes by −'
        in (words.verdict(found, 'Org/base')[-1])
    )
    wider = dataclasses.replace(found, change={**found.change, 'value': 0.02})
    assert words.verdict(wider, 'Org/base')[-1].startswith(
        'No fine-tuned model has a lower barrier: that of the mixed arm changes least, by +2.0'
    )


def test_a_run_without_tested_accuracies_has_no_verdict():
    number = {'variant': 'full', 'language': 'en', 'method': 'generate', 'metric': 'f1'}
    row = task_row('base', None, 'open', number | {'value': 0.5, 'n': 80})
    assert verdict(Numbers([row])) is None


def test_markdown_holds_the_same_numbers(folder):
    report = (folder / 'report.md').read_text(encoding='utf-8')
    rows = json.loads((folder / 'results.json').read_text())['rows']
    (row,) = [
        r
        for r in rows
        if (r['model'], r['variant'], r['language']) == ('mixed', 'full', 'fr')
        and (r['metric'], r['method']) == ('accuracy', 'loglikelihood')
    ]
    assert f'{100 * row["value"]:.1f} [' in report
    assert 'not significantly above guessing' in report


def test_pictures_are_written(folder):
    assert (folder / 'plots/barrier.png').read_bytes().startswith(b'\x89PNG')
    assert '<svg' in (folder / 'plots/barrier.svg').read_text()


def test_text_is_escaped(tmp_path):
    made = report_run.predictions(questions=20)
    for key, table in made.items():
        evil = [f'<script>alert({i})</script>' for i in range(table.num_rows)]
        column = table.schema.get_field_index('question')
        made[key] = table.set_column(column, 'question', [evil])
    report_run.write(tmp_path, made=made)
    page.write_report(tmp_path)
    text = (tmp_path / 'report.html').read_text()
    assert '<script>' not in text and '&lt;script&gt;' in text
    assert text.count('<script ') == text.count('</script>') == 3, 'ours, and the data'


def test_one_model_alone_has_a_report(tmp_path):
    report_run.write(tmp_path, models=('base',))
    page.write_report(tmp_path)
    text = (tmp_path / 'report.html').read_text()
    assert 'a barrier of' in text and 'Questions where the models differ' not in text


def test_more_models_than_colours_have_a_report(tmp_path, monkeypatch):
    models = ('base', *(f'single:{number}' for number in range(len(plots.COLOURS))))
    monkeypatch.setattr(report_run, 'SKILL', dict.fromkeys(models, 0.3))
    made = report_run.predictions(models, questions=12)
    report_run.write(tmp_path, models, made)
    page.write_report(tmp_path)
    text = (tmp_path / 'report.html').read_text()
    assert all(f'{model}: right answers' in text for model in models)


def test_a_loss_has_the_colour_of_its_legend_whatever_the_order_of_training(tmp_path):
    models = ('base', 'mixed', 'english')  # trained in this order, shown in the alphabet's
    report_run.write(tmp_path, models, report_run.predictions(models, questions=12))
    page.write_report(tmp_path)
    text = (tmp_path / 'report.html').read_text().partition('<h2 id="fine-tuning"')[2]
    legend = re.findall(r'background: (#\w+)"></i>(\w+)', text)
    drawn = re.findall(r'stroke="(#\w+)"[^>]*><title>(\w+)', text)
    assert sorted(drawn) == sorted(legend) and len(legend) == 2


def test_the_same_run_draws_the_same_bytes(folder, tmp_path):
    report_run.write(tmp_path)
    page.write_report(tmp_path)
    for name in ('report.html', 'report.md', 'plots/barrier.png', 'plots/barrier.svg'):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_ticks_are_round_and_few():
    for low, high in ((-0.31, 0.42), (0, 1), (2.137, 3.862), (0, 1234567), (2.5, 2.5001)):
        ticks = plots.round_ticks(low, high)
        assert 3 <= len(ticks) <= 8 and ticks[0] <= low + 1e-9 and ticks[-1] >= high - 1e-9
        step = ticks[1] - ticks[0]
        assert f'{step:.0e}'[0] in '125', (low, high, step)


def test_every_two_languages_have_a_cell_of_the_matrix(folder, text):
    rows = json.loads((folder / 'results.json').read_text())['rows']
    found = [
        row
        for row in rows
        if (row['metric'], row['model'], row['method']) == ('consistency', 'mixed', 'letter')
    ]
    assert len(found) == 10, 'five languages'
    drawn = text.partition('id="worldfacts-letter-consistency-mixed-plot"')[2]
    drawn = drawn.partition('</svg>')[0]
    assert drawn.count('<rect class="cell"') == 10
    for row in found:
        names = ' and '.join(beside.language_words(c) for c in reversed(row['language'].split('~')))
        assert f'<title>{names}: {row["value"]:.3f}</title>' in drawn


def test_snapshots_are_learning_curves_by_language(tmp_path, monkeypatch):
    models = ('base', 'mixed', 'mixed-20steps')
    monkeypatch.setattr(report_run, 'SKILL', dict.fromkeys(models, 0.4))
    rows = report_run.write(tmp_path, models, report_run.predictions(models, questions=20))
    record = json.loads((tmp_path / 'run.json').read_text())
    record['training'] = {'mixed': {'rows': 4, 'epochs': 1.0, 'tokens': 512, 'steps': 40}}
    (tmp_path / 'run.json').write_text(json.dumps(record))
    page.write_report(tmp_path)
    drawn = (tmp_path / 'report.html').read_text(encoding='utf-8')
    drawn = drawn.partition('id="worldfacts-loglikelihood-accuracy-during-training-mixed-plot"')[2]
    lines = re.findall(r'points="([^"]+)"><title>([^<]+)', drawn.partition('</svg>')[0])
    names = [*NAMES, 'mean of the other languages']
    assert [name for _, name in lines] == names
    heights = [float(point.split(',')[1]) for point in lines[1][0].split()]
    values = [
        next(
            r['value']
            for r in rows
            if (r['model'], r['language'], r['metric']) == (model, 'ar', 'accuracy')
            and (r['variant'], r['method']) == ('full', 'loglikelihood')
        )
        for model in ('base', 'mixed-20steps', 'mixed')
    ]
    order = sorted(range(3), key=lambda i: -values[i])
    assert [heights[i] for i in order] == sorted(heights), 'the higher, the nearer to the top'


def test_long_labels_have_room():
    points = {'mean of the other languages': {'base': plots.Point(0.5, 0.4, 0.6, 'x')}}
    drawn = plots.dots(points, title='t', unit='u', span=(0.0, 1.0))
    x = float(re.search(r'class="label" x="([\d.]+)"', drawn).group(1))
    assert x > 6 * len('mean of the other languages'), 'anchored at its end'


def test_broken_files_are_named(tmp_path):
    report_run.write(tmp_path)
    with (tmp_path / 'metrics.jsonl').open('a') as f:
        f.write('{"arm": "mixed"\n')
    with pytest.raises(ValueError, match=r'metrics\.jsonl, line 11'):
        page.write_report(tmp_path)
    (tmp_path / 'results.json').write_text('{')
    with pytest.raises(ValueError, match=r'results\.json is not JSON'):
        page.write_report(tmp_path)


def test_a_bar_in_a_cell_is_no_border():
    assert markdown.table(['a|b'], [['c']]) == [r'| a\|b |', '| --- |', '| c |']


def test_a_name_with_dollars_is_no_formula_and_html_is_escaped(tmp_path):
    """Matplotlib reads $...$ as mathematics, and fails on what it does not know."""
    name = r'a$\foo$b<i>'
    made = {
        (name, r't$\bar$', *key[2:]): table
        for key, table in report_run.predictions(('base',), questions=20).items()
    }
    report_run.write(tmp_path, (name,), made)
    config = json.loads((tmp_path / 'config.json').read_text())
    config['model']['source'] = name
    (tmp_path / 'config.json').write_text(json.dumps(config))
    page.write_report(tmp_path)
    assert r'a$\foo$b' in (tmp_path / 'plots/barrier.svg').read_text()
    assert '<i>' not in (tmp_path / 'report.md').read_text()
    assert '<i>' not in (tmp_path / 'report.html').read_text()


def test_small_p_values_are_not_zero():
    assert [words.p_value(p) for p in (0.00001, 0.0007, 0.042, 1.0)] == [
        *('< 0.001', '0.001', '0.042', '1.000')
    ]


def test_items_left_out_are_a_sentence_and_a_table_but_no_column(tmp_path):
    report_run.write(tmp_path)
    path = tmp_path / 'results.json'
    results = json.loads(path.read_text(encoding='utf-8'))
    for model in ('base', 'english', 'mixed'):
        fields = {'variant': 'all', 'language': 'mul', 'method': 'items'}
        for task in ('worldfacts', 'open_questions'):
            number = {'metric': 'left_out:one_candidate', 'value': 7.0, 'n': 87}
            results['rows'].append(task_row(model, None, task, fields | number))
        number = {'variant': 'full', 'language': 'en', 'method': 'generate', 'metric': 'f1'}
        number |= {'value': 0.5, 'n': 80}
        results['rows'].append(task_row(model, None, 'open_questions', number))
    path.write_text(json.dumps(results), encoding='utf-8')
    page.write_report(tmp_path)
    sentence = '7 of 87 items were not asked in any language, because they have only one candidate.'
    for name in ('report.html', 'report.md'):
        report = (tmp_path / name).read_text(encoding='utf-8')
        assert report.count(sentence) == 3  # of both methods of worldfacts, and of the other task
        assert 'left_out' not in report and 'several languages' not in report
    (table,) = [t for t in table_files.tables(results['rows']) if t.name == 'worldfacts.all.items']
    written = table_files.markdown(table)
    assert 'worldfacts, items that were not asked in any language' in written
    assert 'they have only one candidate' in written and '| base | 7 |' in written
