"""What a field of a config may hold: the type and the rules that its annotation states.

`steps: Size = 39` is an integer of at least 1. Every error names the field, the value met and the
values expected.
"""

import dataclasses
import difflib
import math
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from xlbarrier.errors import InputError


class ConfigError(InputError):
    """A field that does not exist, or one whose value cannot be used; names the field."""


def nearest(name: str, known: Iterable[str]) -> str:
    """' Did you mean X?' for the known name closest to `name`, or ''."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ''


@dataclasses.dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included unless `above` or `below` leaves them out."""

    low: float
    high: float = math.inf
    why: str = ''
    above: bool = False
    below: bool = False

    def check(self, where: str, value: float) -> None:
        """Refuses a value outside."""
        low = value > self.low if self.above else value >= self.low
        high = value < self.high if self.below else value <= self.high
        if low and high:
            return
        if self.high == math.inf:
            expected = f'{"more than" if self.above else "at least"} {self.low}'
        else:
            name = where.rpartition('.')[2]
            signs = ('<' if self.above else '<=', '<' if self.below else '<=')
            expected = f'{self.low} {signs[0]} {name} {signs[1]} {self.high}'
        raise ConfigError(f'{where} is {value}; expected {expected}{self.why and ": "}{self.why}')


@dataclasses.dataclass(frozen=True)
class Distinct:
    """A tuple without repetitions; an empty one is refused unless `empty`."""

    empty: bool = False

    def check(self, where: str, value: tuple[Any, ...]) -> None:
        """Refuses a repetition."""
        if len(set(value)) != len(value) or not (value or self.empty):
            least = '' if self.empty else 'at least one value, '
            raise ConfigError(f'{where} is {value}; expected {least}none of them twice')


@dataclasses.dataclass(frozen=True)
class Matches:
    """A string of the form `pattern`, which `expected` says in words."""

    pattern: str
    expected: str

    def check(self, where: str, value: str) -> None:
        """Refuses a string of another form."""
        if not re.fullmatch(self.pattern, value, re.DOTALL):
            met = repr(value) if value else 'empty'
            raise ConfigError(f'{where} is {met}; expected {self.expected}')


Item = TypeVar('Item')
Size = Annotated[int, Range(1)]
Count = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, 2**32, below=True)]  # numpy and jax take 32 bits
Share = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(0, above=True)]
Several = Annotated[tuple[Item, ...], Distinct()]
AnyOf = Annotated[tuple[Item, ...], Distinct(empty=True)]


@typing.dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
class Section:
    """Base of the sections of a config: every subclass is a frozen dataclass.

    The annotation of a field states what it may hold, its comment what it means.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __init_subclass__(cls) -> None:
        dataclasses.dataclass(frozen=True)(cls)

    def check(self, where: str) -> None:
        """Checks every field, then the fields together.

        Args:
          where: dotted name of the section, for messages.

        Raises:
          ConfigError: naming the field.
        """
        for name, hint in hints(type(self)).items():
            check_value(hint, getattr(self, name), f'{where}.{name}')
        self.check_together(where)

    def check_together(self, where: str) -> None:
        """Refuses values that are right by themselves and wrong together."""


def hints(section: type[Section]) -> dict[str, Any]:
    """The annotation of each field of a section, in order."""
    made = typing.get_type_hints(section, include_extras=True)
    return {name: made[name] for name in section.__dataclass_fields__}


def bare(hint: Any) -> Any:
    """An annotation without its rules."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def section_of(hint: Any) -> type[Section] | None:
    """The section that an annotation names, or None."""
    return hint if isinstance(hint, type) and issubclass(hint, Section) else None


def check_value(hint: Any, value: Any, where: str) -> None:
    """Raises ConfigError for a value that its annotation does not allow."""
    plain = bare(hint)
    kind, arguments = typing.get_origin(plain), typing.get_args(plain)
    if isinstance(value, Section):
        value.check(where)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            check_value(type(item), item, f'{where}.{name}')
    elif kind is Literal:
        one_of(where, value, arguments)
    elif kind is tuple:
        if not isinstance(value, tuple):
            raise ConfigError(f'{where} is {value!r}; expected a tuple')
        for i, item in enumerate(value):
            check_value(arguments[0], item, f'{where}[{i}]')
    elif not isinstance(value, (int, float) if plain is float else plain) or (
        isinstance(value, bool) and plain is not bool
    ):
        raise ConfigError(f'{where} is {value!r}; expected {plain.__name__}')
    elif plain is float and not math.isfinite(value):  # JSON has none
        raise ConfigError(f'{where} is {value!r}; expected a finite number')
    for rule in typing.get_args(hint)[1:] if plain is not hint else ():
        rule.check(where, value)


def one_of(where: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Refuses a value that is none of those allowed; names the field and the nearest one."""
    if value not in allowed or isinstance(value, bool):
        close = nearest(value, allowed) if isinstance(value, str) else ''
        raise ConfigError(
            f'{where} is {value!r}; expected{" one of" if len(allowed) > 1 else ""}'
            f' {", ".join(map(str, allowed))}.{close}'
        )
