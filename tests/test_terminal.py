"""What the console command shows: lines, bars, JSON, or only the results."""

import json
import logging
import os
import re
import subprocess
import sys

import pytest
from absl import logging as absl_logging

from xlbarrier import progress, terminal
from xlbarrier.progress import Progress, tell


def ours(level, text):
    record = logging.LogRecord('absl', level, f'{terminal.PACKAGE}run.py', 1, text, (), None)
    logging.getLogger().handle(record)


def work(monkeypatch):
    """A piece of work with a line in between, a message and a result."""
    monkeypatch.setattr(terminal, 'SHORT', 0)
    with Progress('scoring', unit='requests') as running:
        running.begin(20)
        running.update(5, 'compiling')
        progress._display.beat(running)
        ours(logging.INFO, 'a message')
        ours(logging.WARNING, 'take care')
        running.update(15)
    tell('result', 'a table', numbers=[1.5])


def test_without_a_terminal_there_is_a_plain_line_per_phase_and_interval(capsys, monkeypatch):
    with terminal.shown():
        work(monkeypatch)
    shown = capsys.readouterr()
    assert shown.out == '\na table\n'
    lines = [re.sub(r'^\d\d:\d\d:\d\d ', '', line) for line in shown.err.splitlines()]
    assert lines[0].startswith('scoring, 5/20 requests, ') and ' s left, ' in lines[0]
    assert lines[1:3] == ['a message', 'WARNING: take care']
    assert lines[3].startswith('scoring, 20/20 requests') and 'done in' in lines[3]
    assert len(lines) == 4 and not re.search(r'\x1b|\r', shown.err)


def test_quiet_shows_results_and_warnings_alone(capsys, monkeypatch):
    with terminal.shown(quiet=True) as display:
        work(monkeypatch)
        display.failed('ERROR: x', 2)
    shown = capsys.readouterr()
    assert shown.out == '\na table\n'
    assert re.fullmatch(r'\S+ WARNING: take care\nERROR: x\n', shown.err)


def test_json_is_one_object_per_event(capsys, monkeypatch):
    with terminal.shown(as_json=True) as display:
        work(monkeypatch)
        display.failed('ERROR: x', 2)
    shown = capsys.readouterr()
    events = [json.loads(line) for line in shown.out.splitlines()]
    kinds = [event['event'] for event in events]
    assert kinds == ['began', 'progress', 'message', 'message', 'done', 'result', 'error']
    assert (
        events[1]['done'] == 5
        and events[1]['total'] == 20
        and events[1]['seconds_left'] is not None
    )
    assert events[3]['level'] == 'WARNING' and events[3]['text'] == 'take care'
    assert events[5]['numbers'] == [1.5] and events[6]['exit_status'] == 2
    assert shown.err == 'ERROR: x\n'


def test_bars_on_a_terminal_keep_lines_above_them(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True, raising=False)
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('COLUMNS', '100')
    with terminal.shown() as display:
        assert isinstance(display, terminal.Bars)
        work(monkeypatch)
        with Progress('[not markup]') as running:
            running.begin(4)
            running.update(1)
            display._console.print(display._drawn())
    assert display._live is None, 'nothing moves when no work is going on'
    shown = capsys.readouterr()
    assert re.search(r'\[not markup\].*━.*1/4', shown.err)
    assert 'take care' in shown.err and 'done in' in shown.err
    assert shown.out == '\na table\n'


def test_what_other_libraries_say_is_kept_from_the_screen_unless_it_is_an_error(capsys):
    with terminal.shown():
        logging.getLogger('matplotlib').warning('a new font')
        absl_logging.info('from a library that logs as absl does')
        logging.getLogger('orbax').error('failed\nwith\na trace')
    shown = capsys.readouterr()
    assert re.fullmatch(r'\S+ ERROR: failed\n', shown.err) and not shown.out


def test_the_display_in_use_before_is_used_again():
    before = progress._display
    with pytest.raises(KeyError), terminal.shown():
        assert progress._display is not before
        raise KeyError
    assert progress._display is before


def test_transformers_does_not_tell_that_torch_is_not_there():
    code = (
        'import sys; sys.modules["torch"] = None\n'
        'import importlib.util as u; find = u.find_spec\n'
        'u.find_spec = lambda name, *a: None if name == "torch" else find(name, *a)\n'
        'import transformers; assert not transformers.is_torch_available()'
    )
    quietened = f'from xlbarrier import terminal; terminal.prepare()\n{code}'
    # A test before this one may have made its own process quiet, whose children would be too.
    env = {name: value for name, value in os.environ.items() if name not in terminal.QUIETENED}
    said = {}
    for name, text in {'as it is': code, 'ours': quietened}.items():
        command = [sys.executable, '-c', text]
        answer = subprocess.run(command, capture_output=True, text=True, env=env)
        assert answer.returncode == 0, answer.stderr
        said[name] = answer.stderr
    assert 'PyTorch was not found' in said['as it is'] and said['ours'] == ''
