"""The errors that xlbarrier raises on purpose; `main` prints each in one line."""


class XlbarrierError(Exception):
    """Base of every error that xlbarrier raises on purpose."""


class InputError(XlbarrierError, ValueError):
    """A value, file, row or field that cannot be used; the message names it."""


class StateError(XlbarrierError, RuntimeError):
    """Something outside the input that stops the work: a run folder, a disk, another process."""


class NotFiniteError(XlbarrierError, FloatingPointError):
    """A number that must be finite is not."""


class RunError(StateError):
    """The run folder cannot be used or written; names the file and says what to do."""


class OtherRunError(RunError, InputError):
    """The run folder is not this run's: another folder or other values have to be given."""
