"""Measures one model on one task by its name, such as task:belebele; docs/tasks.md lists them.

    python -m xlbarrier.main --config=configs/task.py:belebele --workdir=runs/belebele \\
        --config.model.source=hf:ORG/NAME --config.tasks.belebele.languages=en,de,sw

The set is fetched from the Hugging Face hub unless --config.tasks.NAME.source names files. With
--config.mode=prompts it writes the prompts without loading a model.
"""

from ml_collections import ConfigDict

from xlbarrier.recipes import quickstart


def get_config(name: str = 'belebele') -> ConfigDict:
    """The quickstart's model on one task with its defaults.

    Args:
      name: a kind of task, or one followed by '_' and a word of yours.
    """
    config = quickstart.get_config()
    config.mode = 'eval'
    config.tasks = {name: {}}
    return config
