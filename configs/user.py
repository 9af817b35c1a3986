"""Your own multiple-choice questions, in any languages: docs/your_own_task.md.

    python -m xlbarrier.main --config=configs/user.py:SOURCE --workdir=runs/mine \\
        --config.model.source=hf:ORG/NAME --config.tasks.user.languages=en,de

SOURCE is a JSONL, JSON, CSV, TSV or Parquet file, with {language} in its name if each language
has a file of its own, or hf:NAME[:SUBSET].
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart


def get_config(source: str = 'questions.{language}.jsonl') -> ConfigDict:
    """The quickstart's model on a file of the user's.

    Args:
      source: where the questions are.
    """
    config = quickstart.get_config()
    config.mode = 'eval'
    config.tasks = {'user': {'source': source, 'methods': ('loglikelihood', 'letter')}}
    return config
