"""Runs a config: python -m xlbarrier.main --config=configs/quickstart.py --workdir=runs/first"""

from absl import flags

CONFIG = flags.DEFINE_string('config', None, 'The recipe: a name or a file with get_config().')
WORKDIR = flags.DEFINE_string('workdir', None, 'The run folder; a second start continues it.')
