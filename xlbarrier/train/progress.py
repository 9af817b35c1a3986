"""Progress lines of a training, never further apart than ten seconds."""

import threading
import time

from absl import logging

EVERY_SECONDS = 8.0


class Progress:
    """Logs where the training is, from a thread of its own: a step or a write may take long.

    Args:
      steps: updates of the whole training.
      step_tokens: tokens of one update.
      start: updates made before.
    """

    def __init__(self, steps: int, step_tokens: int, start: int):
        self._steps, self._step_tokens, self._start = steps, step_tokens, start
        self._step, self._loss, self._doing = start, None, 'compiling'
        self._began = self._first = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name='train-progress', daemon=True)

    def __enter__(self) -> 'Progress':
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def doing(self, what: str) -> None:
        """Says what is being done now."""
        self._doing = what

    def reached(self, step: int, loss: float) -> None:
        """`step` updates are made; the last one's loss, nats a token."""
        if self._first is None:  # compilation is no part of the rate
            self._first, self._began = step, time.monotonic()
        self._step, self._loss, self._doing = step, loss, 'training'
        if step == self._steps:
            logging.info('%s', self.line())

    def line(self) -> str:
        """Step, loss in nats a token, tokens a second, time left."""
        text = f'{self._doing}: step {self._step} of {self._steps}'
        if self._loss is not None:
            text += f', loss {self._loss:.4f}'
        done = self._step - (self._first or 0)
        if self._first is not None and done:
            seconds = (time.monotonic() - self._began) / done
            left = seconds * (self._steps - self._step)
            text += f', {self._step_tokens / seconds:.0f} tokens/s, {left:.0f} s left'
        return text

    def _run(self) -> None:
        while not self._end.wait(EVERY_SECONDS):
            logging.info('%s', self.line())
