"""The command `xlbarrier push RUN ORG/NAME`: a run's fine-tuned model, to the Hugging Face hub."""

import argparse
import pathlib
import re
from collections.abc import Sequence

from absl import logging

from xlbarrier import datafiles
from xlbarrier import run as run_lib
from xlbarrier.errors import InputError, StateError

REPOSITORY = re.compile(r'[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}')


def push(words: Sequence[str]) -> None:
    """Uploads export/<model> of a run folder with its card; the repository is made if absent.

    Args:
      words: what follows `push` on the command line.

    Raises:
      InputError: for a folder without a model, several models and none named, or a name that is no
        ORG/NAME.
      StateError: when the hub refuses, saying what it said.
    """
    args = _parser().parse_args(words)
    if not REPOSITORY.fullmatch(args.repository):
        raise InputError(f'xlbarrier push: {args.repository!r} is no ORG/NAME of the hub')
    export = _export(run_lib.on_disk(args.run), args.model)
    files = sorted(path for path in export.rglob('*') if path.is_file())
    size = sum(map(datafiles.file_size, files))
    where = f'{args.repository} ({"private" if args.private else "public"})'
    logging.info('%s: %d files, %.2f GB, to %s', export, len(files), size / 1e9, where)
    if args.dry_run:
        for path in files:
            print(path.relative_to(export))
        return
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        api.create_repo(args.repository, private=args.private, exist_ok=True)
        done = api.upload_folder(
            repo_id=args.repository,
            folder_path=export,
            commit_message=f'{export.name}, fine-tuned by xlbarrier',
        )
    except Exception as error:  # of the library and of what it sends by
        reason = ' '.join(str(error).split()[:40])
        raise StateError(
            f'{args.repository}: the hub did not take the model ({type(error).__name__}: {reason});'
            ' log in with `hf auth login` or HF_TOKEN, check the name, and start again'
        ) from error
    logging.info('uploaded: %s', done.commit_url)


def _export(folder: pathlib.Path, model: str) -> pathlib.Path:
    """The folder of the model that is named, or of the only one."""
    found = {path.parent.name: path.parent for path in sorted(folder.glob('export/*/config.json'))}
    if not found:
        raise InputError(f'{folder} has no model in export/: name the folder of a run that trained')
    if not model and len(found) > 1:
        raise InputError(f'{folder} has the models {", ".join(found)}: name one with --model')
    if model and model not in found:
        raise InputError(f'{folder} has no model {model!r}; it has {", ".join(found)}')
    return found[model or next(iter(found))]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='xlbarrier push', description=__doc__)
    parser.add_argument('run', help='the run folder')
    parser.add_argument('repository', metavar='ORG/NAME', help='on the hub')
    parser.add_argument('--model', default='', help='of export/, if the run has several')
    parser.add_argument('--private', action='store_true', help='the repository, if it is new')
    parser.add_argument('--dry_run', action='store_true', help='list the files, send nothing')
    return parser
