"""Runs a config: xlbarrier MODE --config=NAME --workdir=FOLDER, or python -m xlbarrier.main ..."""

import pathlib
import sys

from absl import flags, logging

from xlbarrier import cli, modes
from xlbarrier.config import ConfigError
from xlbarrier.config import flags as config_flags
from xlbarrier.errors import XlbarrierError

CONFIG = flags.DEFINE_string('config', None, 'The recipe: a name or a file with get_config().')
WORKDIR = flags.DEFINE_string('workdir', None, 'The run folder; a second start continues it.')


def main(argv: list[str]) -> None:
    """Reads the command line, checks the config, and dispatches on the mode."""
    if argv[1:] and argv[1] in modes.TOOLS:
        modes.load_tool(argv[1])(argv[2:])
        return
    words, overrides = config_flags.split(argv[1:])
    if not argv[1:] or {'help', '-h', '-help', '--help'} & set(words[:1] + words[-1:]):
        print(cli.help_text())
        return
    command, words = cli.command(words)
    _, *names = flags.FLAGS([argv[0], *words])
    recipe = CONFIG.value or (names.pop(0) if command == 'config' and names else None)
    if names:
        raise ConfigError(f'unexpected argument {names[0]!r}; fields are --config.FIELD=VALUE')
    if not recipe:
        raise ConfigError('--config is missing: name a recipe, as --config=quickstart (see --help)')
    if command == 'config':
        print(cli.show(config_flags.read(recipe, overrides)))
        return
    mode = [('mode', command)] if command else []
    config = config_flags.read(recipe, [*overrides, *mode])
    if not WORKDIR.value:
        raise ConfigError(
            '--workdir is missing: name the run folder, as --workdir=runs/first; a second start'
            ' with the same one continues the run'
        )
    modes.load(config.mode)(pathlib.Path(WORKDIR.value).expanduser(), config)


def console() -> None:
    """The console command: `main`, with every error raised on purpose in one line."""
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    try:
        main(sys.argv)
    except (XlbarrierError, flags.Error, OSError) as error:
        logging.debug('where the error below was raised', exc_info=True)
        sys.exit(f'ERROR: {error}')


if __name__ == '__main__':
    console()
