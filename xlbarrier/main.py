"""Runs a config: xlbarrier MODE --model=ORG/NAME, --config=NAME, or python -m xlbarrier.main ..."""

import shlex
import sys

from absl import flags, logging

from xlbarrier import cli, modes, peers, terminal
from xlbarrier.config import flags as config_flags
from xlbarrier.errors import XlbarrierError


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
    read = cli.read(words)
    config = cli.config_of(read, command, overrides)
    if command == 'config':
        print(cli.show(config))
        return
    modes.run(cli.place_of(read, config), config, dry=read.dry_run)


def console() -> None:
    """The console command: `main`, with every error raised on purpose in one line."""
    logging.set_verbosity(logging.INFO)
    terminal.prepare()
    words = sys.argv[1:]
    with terminal.shown(quiet='--quiet' in words, as_json='--json' in words) as display:
        peers.say = display.failed
        try:
            main(sys.argv)
        except (XlbarrierError, flags.Error, OSError) as error:
            logging.debug('where the error below was raised', exc_info=True)
            code = cli.exit_status(error)
            display.failed(f'ERROR: {error}', code)
        except KeyboardInterrupt:
            code = cli.INTERRUPTED
            again = shlex.join([*cli.called_as(sys.argv[0]), *words])
            display.failed(f'Stopped. What is finished is kept; to go on: {again}', code)
        except Exception:
            peers.settle()
            raise
        else:
            return
    peers.status = code
    sys.exit(code)


if __name__ == '__main__':
    console()
