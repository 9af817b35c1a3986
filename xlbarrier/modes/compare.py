"""The command `xlbarrier compare`: several finished runs on the questions that they share."""

import argparse
import json
import pathlib
from collections.abc import Sequence

from absl import logging

from xlbarrier import datafiles
from xlbarrier import run as run_lib
from xlbarrier.config import ReportConfig, RunConfig
from xlbarrier.datafiles import write_atomic
from xlbarrier.errors import InputError
from xlbarrier.progress import Progress
from xlbarrier.report import compare_page, table_files
from xlbarrier.results import compare as results
from xlbarrier.results.answers import read_predictions


def run(words: Sequence[str]) -> None:
    """Reads run folders, computes paired tests, and writes compare.html, results.json and tables/.

    Args:
      words: what follows `compare` on the command line.

    Raises:
      InputError: for fewer than two runs, a folder without answers, or runs without a question in
        common.
    """
    args = _parser().parse_args(words)
    folders = [run_lib.on_disk(name) for name in args.runs]
    if len(folders) < 2:
        raise InputError('xlbarrier compare: expected at least two run folders')
    out = run_lib.on_disk(args.workdir)
    if (out / 'config.json').exists():
        raise InputError(f'{out} is a run folder: choose another --workdir')
    names = _names(folders)
    with Progress('reading answers'):
        predictions = {}
        for name, folder in zip(names, folders, strict=True):
            predictions[name] = read_predictions(folder / 'predictions')
            if not predictions[name]:
                raise InputError(
                    f'{folder} has no answers: expected'
                    ' predictions/<model>/<task>/<variant>.<language>.parquet'
                )
        tasks, answers = results.gather(predictions)
    with Progress('numbers'):
        rows = results.rows(tasks, answers, draws=args.draws, seed=args.seed)
    with Progress('page'):
        described = [
            compare_page.Run(
                name,
                str(folder),
                datafiles.read_object(folder / 'config.json'),
                datafiles.read_object(folder / 'run.json'),
            )
            for name, folder in zip(names, folders, strict=True)
        ]
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps({'schema': 1, 'rows': rows}, indent=1, ensure_ascii=False)
        write_atomic(out / 'results.json', (text + '\n').encode())
        table_files.write(rows, out / 'tables')
        compare_page.write(out, described, tasks, rows, answers)
    logging.info('comparison: %s', out / 'compare.html')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='xlbarrier compare', description=__doc__)
    parser.add_argument('runs', nargs='+', metavar='RUN', help='a run folder; the first one leads')
    parser.add_argument('--workdir', default='compare', help='the folder that is written')
    parser.add_argument(
        '--draws', type=int, default=ReportConfig().bootstrap_draws, help='of every bootstrap'
    )
    parser.add_argument('--seed', type=int, default=RunConfig().seed, help='of every bootstrap')
    return parser


def _names(folders: Sequence[pathlib.Path]) -> list[str]:
    """The shortest ends of the paths that differ from each other."""
    paths = [folder.resolve().parts for folder in folders]
    if len(set(paths)) < len(paths):
        raise InputError('xlbarrier compare: one run folder is named twice')
    size = 1
    while len({path[-size:] for path in paths}) < len(paths):
        size += 1
    return ['/'.join(path[-size:]) for path in paths]
