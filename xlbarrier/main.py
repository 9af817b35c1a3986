"""Runs a config: python -m xlbarrier.main --config=configs/quickstart.py --workdir=runs/first"""

import pathlib
import sys

from absl import app, flags, logging
from ml_collections import config_flags

from xlbarrier import config as config_lib
from xlbarrier import modes
from xlbarrier.errors import XlbarrierError

CONFIG = config_flags.DEFINE_config_file(
    'config', None, 'The recipe: a Python file with get_config().', lock_config=True
)
WORKDIR = flags.DEFINE_string('workdir', None, 'The run folder; a second start continues it.')


def main(argv: list[str]) -> None:
    """Checks the config, opens the run folder, starts the devices, and dispatches on the mode."""
    if len(argv) > 1:
        raise app.UsageError(f'unexpected argument {argv[1]!r}; fields are --config.field=value')
    config = config_lib.resolve(CONFIG.value)

    modes.load(config.mode)(pathlib.Path(WORKDIR.value).expanduser(), config)


def parse_flags(argv: list[str]) -> list[str]:
    """absl's parser, with an unknown config field told in a line and not as a traceback."""
    for arg in argv:
        if arg.startswith('--config=') and not pathlib.Path(arg[9:].partition(':')[0]).is_file():
            # ml_collections would print two tracebacks for it.
            sys.exit(f'ERROR: no config file {arg[9:]}')
    try:
        rest = flags.FLAGS(argv)
        if CONFIG.value is None or WORKDIR.value is None:
            sys.exit(f'ERROR: --config and --workdir are needed.\n{__doc__}')
        return rest
    except (AttributeError, KeyError) as error:
        sys.exit(f'ERROR: no such config field: {error.args[0]}')
    except (flags.Error, OSError) as error:
        sys.exit(f'ERROR: {error}')


def run(argv: list[str]) -> None:
    """`main`, with every error that xlbarrier raises on purpose, and the system's, in one line."""
    try:
        main(argv)
    except (XlbarrierError, OSError) as error:
        logging.debug('where the error below was raised', exc_info=True)
        sys.exit(f'ERROR: {error}')


if __name__ == '__main__':
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    app.run(run, flags_parser=parse_flags)
