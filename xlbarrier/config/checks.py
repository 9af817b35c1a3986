"""Checks that the parts of a config share; every error names the field."""

import difflib
import typing
from typing import Any

from xlbarrier.errors import InputError


class ConfigError(InputError):
    """A field that does not exist, or one whose value cannot be used; names the field."""


def nearest(name: str, known: typing.Iterable[str]) -> str:
    """' Did you mean X?' for the known name closest to `name`, or ''."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ''


def one_of(where: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuses a value that is none of those allowed; names the field and the nearest one."""
    if value not in allowed:
        raise ConfigError(
            f'{where} is {value!r}; wanted one of {", ".join(allowed)}.{nearest(value, allowed)}'
        )


def each_of(where: str, values: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    """`one_of` for each value, none of them twice."""
    for i, value in enumerate(values):
        one_of(f'{where}[{i}]', value, allowed)
    distinct(where, values)


def distinct(where: str, values: tuple[str, ...]) -> None:
    """Refuses an empty tuple and a value that stands in it twice."""
    if not values or len(set(values)) != len(values):
        raise ConfigError(f'{where} is {values}; wanted at least one value, none of them twice')


def at_least(where: str, config: Any, **least: float) -> None:
    """Refuses a field of `config` below the least value that `least` gives for its name."""
    for name, low in least.items():
        if getattr(config, name) < low:
            raise ConfigError(f'{where}.{name} is {getattr(config, name)}; wanted at least {low}')
