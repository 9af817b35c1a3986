"""Datasets of the Hugging Face hub, read at one commit that is recorded; no code of theirs runs."""

import contextlib
import contextvars
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from xlbarrier.datafiles import DataError

CONVERTED = 'refs/convert/parquet'  # the hub's own conversion: SUBSET/SPLIT/0000.parquet
_commits: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar(
    'commits', default=None
)


class Place(NamedTuple):
    """The parts of 'hf:NAME[@REVISION][:SUBSET]'; `folder` where NAME is a local one."""

    name: str
    revision: str = ''
    subset: str = ''
    folder: pathlib.Path | None = None

    @property
    def pinned(self) -> str:
        """NAME[@REVISION]."""
        return f'{self.name}@{self.revision}' if self.revision else self.name


@contextlib.contextmanager
def recording() -> Iterator[dict[str, str]]:
    """Collects the commit of each dataset read in the block, by its NAME[@REVISION].

    Within the block a dataset is read at the commit of its first reading, so that its languages
    are of one state even if the hub's changes meanwhile.
    """
    found: dict[str, str] = {}
    token = _commits.set(found)
    try:
        yield found
    finally:
        _commits.reset(token)


def parse(place: str) -> Place:
    """The parts of a place; a folder whose name has an '@' is found as it is.

    Raises:
      DataError: for what is neither a folder nor of that form.
    """
    name, _, subset = place.removeprefix('hf:').partition(':')
    folder = pathlib.Path(name).expanduser()
    if folder.is_dir():
        return Place(name, '', subset, folder)
    match = re.fullmatch(r'([\w.-]+(?:/[\w.-]+)?)(?:@([\w./-]+))?', name)
    if match is None:
        raise DataError(
            f'{place} is neither an existing folder nor hf:ORG/NAME[@REVISION][:CONFIGURATION]'
        )
    return Place(match[1], match[2] or '', subset)


def load(place: str) -> Any:
    """The splits of 'hf:NAME[@REVISION][:SUBSET]', by name; of a saved single split, its rows.

    Args:
      place: NAME is that of the hub, or of a folder that `save_to_disk` made.

    Raises:
      DataError: when it is missing, gated, needs code of its own, has no such configuration or
        revision, or the download breaks off; what was downloaded is kept.
    """
    import datasets
    from huggingface_hub import constants

    at = parse(place)
    if at.folder is not None:
        return _local(place, at.folder / at.subset if at.subset else at.folder)
    commit = _commit(place, at)
    name, asked = at.name, {'revision': commit}
    if constants.is_offline_mode():
        # Without a network the library takes whichever commit it read last; so it gets the files.
        name, asked = str(_fetched(place, at, commit, 'README.md')), {}
    if at.revision == CONVERTED and at.subset:
        asked['data_dir'] = at.subset
    elif at.subset:
        asked['name'] = at.subset
    try:
        found = datasets.load_dataset(name, **asked)
    except Exception as error:  # the library raises errors of many classes
        raise DataError(_explained(place, at, commit, error)) from error
    there = _cached_commit(found)
    if 'revision' in asked and there not in ('', commit):
        raise DataError(
            f'{place}: the hub cannot be reached, and the cache has commit {there}; expected'
            f' {commit}: set HF_HUB_OFFLINE=1 to use what was downloaded'
        )
    return found


def snapshot(place: str, pattern: str) -> pathlib.Path:
    """The folder of a dataset's files as they are, in the hub's cache.

    Args:
      place: 'hf:NAME[@REVISION]'.
      pattern: of the files that are needed, such as 'data/*.csv'.

    Raises:
      DataError: when they cannot be fetched.
    """
    at = parse(place)
    if at.folder is not None:
        return at.folder
    return _fetched(place, at, _commit(place, at), pattern)


def _local(place: str, folder: pathlib.Path) -> Any:
    import datasets

    try:
        return datasets.load_from_disk(str(folder))
    except Exception as error:  # the library raises errors of many classes
        raise DataError(f'{place} cannot be opened: {error}') from error


def _commit(place: str, at: Place) -> str:
    """The commit of a dataset's revision."""
    recorded = _commits.get()
    if recorded is not None and at.pinned in recorded:
        return recorded[at.pinned]
    commit = _fetched(place, at, at.revision or None, 'README.md').name
    if recorded is not None:
        recorded[at.pinned] = commit
    return commit


def _fetched(place: str, at: Place, revision: str | None, pattern: str) -> pathlib.Path:
    """The folder of the files of a commit, which its name is."""
    import huggingface_hub
    from huggingface_hub import errors

    try:
        folder = huggingface_hub.snapshot_download(
            at.name, repo_type='dataset', revision=revision, allow_patterns=[pattern]
        )
    except errors.GatedRepoError as error:
        raise DataError(
            f'{place} is gated: accept its terms on its page of the hub, then set HF_TOKEN to a'
            ' token of that account'
        ) from error
    except errors.RevisionNotFoundError as error:
        raise DataError(
            f'{place}: the hub has no revision {at.revision!r} of {at.name}; expected a branch, a'
            ' tag or a commit'
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise DataError(
            f'{place}: the hub has no dataset {at.name}, or it is private: check the id, or set'
            ' HF_TOKEN'
        ) from error
    # errors.HTTPError is that of the client which this version of the hub's library speaks through.
    except (errors.HfHubHTTPError, errors.HTTPError, OSError, ValueError) as error:
        raise DataError(_unreachable(place, error)) from error
    return pathlib.Path(folder)


def _unreachable(place: str, error: Exception) -> str:
    first = (str(error).strip().splitlines() or [repr(error)])[0]
    return (
        f'{place} could not be fetched from the hub or its cache: {first}. What was downloaded is'
        ' kept: start again when the hub can be reached (HF_HUB_OFFLINE=1 forbids it)'
    )


def _explained(place: str, at: Place, commit: str, error: Exception) -> str:
    """What went wrong with a dataset whose repository is there."""
    import datasets

    if 'Dataset scripts are no longer supported' in str(error):
        return (
            f'{place} needs code of its own ({at.name.rpartition("/")[2]}.py), which is not run:'
            f' try the copy that the hub converts, hf:{at.name}@{CONVERTED}'
            f'{at.subset and ":"}{at.subset}'
        )
    if isinstance(error, ValueError) and at.subset:
        with contextlib.suppress(Exception):
            names = datasets.get_dataset_config_names(at.name, revision=commit)
            if at.subset not in names:
                return (
                    f'{place}: {at.name} has no configuration {at.subset!r}; it has'
                    f' {", ".join(names)}'
                )
    if isinstance(error, ValueError | datasets.exceptions.DatasetsError):
        return f'{place} cannot be opened: {error}'
    return _unreachable(place, error)


def _cached_commit(found: Mapping[str, Any]) -> str:
    """The commit in the path of the library's cache, .../NAME/CONFIGURATION/0.0.0/COMMIT/..."""
    for split in found.values():
        for file in split.cache_files:
            name = pathlib.Path(file['filename']).parent.name
            if re.fullmatch('[0-9a-f]{40}', name):
                return name
    return ''
