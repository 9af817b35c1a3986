"""The Python interface through the notebook of the documentation, whose cells are run here."""

import ast
import contextlib
import io
import json
import pathlib

import numpy as np
import pytest

import xlbarrier as xb
from xlbarrier.config import ConfigError

NOTEBOOK = pathlib.Path(__file__).resolve().parent.parent / 'docs/from_python.ipynb'


def cells():
    """The source of each code cell."""
    found = json.loads(NOTEBOOK.read_text(encoding='utf-8'))['cells']
    return [''.join(cell['source']) for cell in found if cell['cell_type'] == 'code']


def run_cell(source, names):
    """Runs a cell as a notebook does; returns the value of its last expression."""
    *body, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        body, last = [*body, last], None
    exec(compile(ast.Module(body, []), 'cell', 'exec'), names)
    return last and eval(compile(ast.Expression(last.value), 'cell', 'eval'), names)


@pytest.fixture(scope='module')
def ran(tiny_llama, tmp_path_factory):
    """The notebook's names, values and output after its last cell, with the tiny model."""
    root, names, values, out = tmp_path_factory.mktemp('notebook'), {}, [], io.StringIO()
    with contextlib.redirect_stdout(out):
        for number, source in enumerate(cells()):
            values.append(run_cell(source, names))
            if number == 0:
                names |= {'MODEL': str(tiny_llama), 'RUNS': str(root)}
    return names, values, out.getvalue()


def test_the_notebook_runs_from_top_to_bottom(ran):
    names, values, printed = ran
    assert values[-1] == 'report.html' and names['after'].report.exists()
    assert 'n = 12' in printed and printed.count('gap ') == 2
    assert names['before'].folder != names['after'].folder
    languages = {row['language'] for row in names['before'].select(metric='accuracy')}
    assert languages >= {'en', 'fr', 'it', 'mean:non-en'}
    assert list(names['tuned'].exports) == ['mixed']
    card = (names['tuned'].exports['mixed'] / 'README.md').read_text(encoding='utf-8')
    assert 'on the text of the `mixed` arm' in card and '| base model, SHA-256 |' not in card


def test_the_notebook_is_stored_with_what_its_cells_gave():
    found = json.loads(NOTEBOOK.read_text(encoding='utf-8'))['cells']
    first, *others = [cell for cell in found if cell['cell_type'] == 'code']
    assert first['outputs'] == [], 'only imports and names'
    for number, cell in enumerate(others, start=2):
        assert cell['execution_count'] == number
        kinds = {one['output_type'] for one in cell['outputs']}
        assert kinds and kinds <= {'stream', 'execute_result'}, 'run all cells and save'


def test_written_texts_are_the_likeliest_tokens(ran):
    names, _, _ = ran
    model, question = names['model'], names['question']
    (text,) = xb.generate(model, [question], max_tokens=5)
    begin = model.tokenizer(question)['input_ids']
    ids = begin + model.tokenizer(text)['input_ids']
    assert len(ids) == len(begin) + 5, 'another split of the text into tokens: take another prompt'
    likeliest = xb.logits(model, [ids])[0].argmax(-1)
    assert likeliest[len(begin) - 1 : -1].tolist() == ids[len(begin) :]


def test_vectors_have_every_depth_and_name_an_empty_text(ran):
    model, vectors = ran[0]['model'], ran[0]['vectors']
    assert vectors.shape == (3, 4, 64) and vectors.dtype == np.float32
    alone = xb.embed(model, ['Le chat dort.'])
    np.testing.assert_allclose(alone[0], vectors[1], atol=1e-5)
    with pytest.raises(ValueError, match='text 1: '):
        xb.embed(model, ['a', ''])


def test_a_finished_run_is_found_and_another_config_is_refused(ran):
    names, _, _ = ran
    again = xb.evaluate(names['MODEL'], names['before'].folder, config=names['few'])
    assert again.rows == names['before'].rows
    with pytest.raises(ConfigError, match='no such field'):
        xb.evaluate(names['MODEL'], names['before'].folder, config={'tasks.worldfacts.lang': 'en'})


def test_the_package_of_the_report_draws_one(ran):
    folder = ran[0]['after'].folder
    page = folder / 'report.html'
    page.unlink()
    import xlbarrier.report.page  # after which the name is surely the package's

    assert xb.report(folder) == page and page.exists()
    assert xlbarrier.report is xb.report
