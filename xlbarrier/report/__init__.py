"""From a run's numbers to its page, plots and tables; `xlbarrier.report(folder)` draws them again.

The room has the name of a function of the Python interface, so the package can be called.
"""

import os
import pathlib
import sys
import types


class _Report(types.ModuleType):
    def __call__(self, folder: str | os.PathLike) -> pathlib.Path:
        """Draws the report of a finished run again.

        Args:
          folder: of the run.

        Returns:
          The path of report.html.

        Raises:
          RunError: when the folder is no finished run, or is in use.
        """
        import contextlib

        from xlbarrier import run as run_lib
        from xlbarrier.report import page

        with contextlib.closing(run_lib.open_finished(folder)) as run:
            page.write_report(run.folder)
        return run.folder / 'report.html'


sys.modules[__name__].__class__ = _Report
