"""The fields of mode rescore: which recorded answers are read, and how."""

from dataclasses import dataclass

from xlbarrier.config.checks import ConfigError, distinct, each_of

LAYOUTS = ('clika', 'mmlu', 'tofu', 'translation', 'run')


@dataclass(frozen=True)
class RescoreConfig:
    """Recorded answers in, numbers out."""

    root: str = ''  # everything below it that has a known layout is read
    layouts: tuple[str, ...] = LAYOUTS
    models: tuple[str, ...] = ()  # empty: all that are found; so are tasks and languages
    tasks: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    source_language: str = 'en'  # the one that others are compared with
    language: str = ''  # of files that do not name theirs (MMLU, TOFU)
    ra_reference: float = 0.0  # accuracy in percent whose RA is 1; 0: CLiKA's published one
    ra_clip: bool = True  # RA below 0 counts as 0, as published


def check(rescore: RescoreConfig, mode: str) -> None:
    """Refuses values that cannot be used.

    Raises:
      ConfigError: names the field.
    """
    each_of('config.rescore.layouts', rescore.layouts, LAYOUTS)
    for name in ('models', 'tasks', 'languages'):
        if getattr(rescore, name):
            distinct(f'config.rescore.{name}', getattr(rescore, name))
    if not 0 <= rescore.ra_reference <= 100:
        raise ConfigError(
            f'config.rescore.ra_reference is {rescore.ra_reference}; wanted a percentage, or 0 for'
            ' the published one'
        )
    if mode == 'rescore' and not rescore.root:
        raise ConfigError(
            "config.rescore.root is ''; mode rescore wants the folder of the recorded answers:"
            ' --config.rescore.root=FOLDER'
        )
