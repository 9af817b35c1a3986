"""Your own multiple-choice questions, in any languages: docs/your_own_task.md.

    python -m xlbarrier.main --config=configs/user.py:SOURCE --workdir=runs/mine \
        --config.model.source=hf:ORG/NAME --config.tasks.user.languages="('en', 'de')"

SOURCE is a JSONL, JSON, CSV, TSV or Parquet file, with {language} in its name where each language
has its own, or hf:NAME[:SUBSET].
"""

import importlib.util
import pathlib

from ml_collections import ConfigDict


def get_config(source: str = 'questions.{language}.jsonl') -> ConfigDict:
    """The quickstart's fields, with a file of the user's.

    Args:
      source: where the questions are.
    """
    path = pathlib.Path(__file__).with_name('quickstart.py')
    spec = importlib.util.spec_from_file_location('quickstart', path)
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    config = quickstart.get_config()
    config.mode = 'eval'
    config.tasks = ConfigDict()
    task = config.tasks.user = ConfigDict()
    task.source = source
    task.languages = ('en',)
    task.variants = ('full',)  # with English among the languages any of docs/tasks.md
    task.methods = ('loglikelihood', 'letter')  # the first one's answers are recorded as such
    task.form = 'choices'  # or pairs: a stem, its true and its false completion
    task.id = ''  # column of the item's name; '': the row number
    task.question = 'question'  # column of the question, or of the stem
    task.options = ('options',)  # one column with a list, or a column each
    task.answer = 'answer'  # column of the answer
    task.answer_form = 'auto'  # or letter, index, text
    task.answer_base = 0  # number of the first option where the answer is an index
    task.language = ''  # column of the language, where one file has them all
    task.subject = ''  # column of the group
    task.split = 'test'  # of a dataset
    task.instruction = ''  # text before everything
    task.shots = 0  # the first rows, as demonstrations; they are not asked
    task.demos = 'english'  # or same: in the language and variant of the question
    task.cues = 'question'  # 'Question:' in the question's language, or the code of one
    task.equal_options = 'refuse'  # or drop, keep: items that have options alike
    task.limit = 0  # the first so many items; 0: all
    task.seed = 0
    return config
