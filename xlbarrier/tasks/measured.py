"""Tasks that are not multiple choice: each asks a model by itself, and makes its own numbers."""

import pathlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import jax
import pyarrow as pa
import pyarrow.parquet as pq

from xlbarrier import multihost
from xlbarrier.config import ScoreConfig
from xlbarrier.data.tokenize import PreTrainedTokenizerFast
from xlbarrier.models.decoder import Decoder
from xlbarrier.run import write_atomic
from xlbarrier.scoring.store import ScoreStore
from xlbarrier.tasks.base import Numbered, Row, Sheet


@dataclass(frozen=True)
class Asked:
    """A model that a task measures, and where its answers go.

    Attributes:
      name: of the model in the run: the base or an arm.
      decoder, tokenizer, mesh: of the model.
      folder: of its predictions.
      store: of its answers, which come back from it in a continued run; on the lead alone.
      score: the shapes of the steps.
    """

    name: str
    decoder: Decoder
    tokenizer: PreTrainedTokenizerFast
    mesh: jax.sharding.Mesh
    folder: pathlib.Path
    store: ScoreStore | None = None
    score: ScoreConfig = field(default_factory=ScoreConfig)

    def write(self, task: str, sheet: Sheet, rows: Sequence[Row], schema: pa.Schema) -> None:
        """Writes a sheet's answers to <task>/<variant>.<language>.parquet, on the lead.

        Args:
          task: its name.
          sheet: variant and language.
          rows: one an item, with at least `id` and `language`.
          schema: of the columns.
        """
        if not multihost.is_lead():
            return
        path = self.folder / task / '{}.{}.parquet'.format(*sheet)
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(list(rows), schema)
        write_atomic(path, lambda place: pq.write_table(table, place))


@runtime_checkable
class MeasuredTask(Numbered, Protocol):
    """A task that is not multiple choice, and measures a model by itself."""

    def measure(self, asked: Asked) -> None:
        """Asks the model all that the task asks, and writes each sheet with `Asked.write`."""

    def prompts(self) -> Iterable[tuple[Sheet, Sequence[Row]]]:
        """The prompt rows of each sheet, for mode prompts; nothing where none is written."""

    def texts(self, language: str) -> Sequence[str]:
        """What it asks in a language, which text to train on can be kept free of."""
