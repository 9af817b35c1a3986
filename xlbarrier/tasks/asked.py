"""A model that a task measures: how it is asked, and where its answers are written."""

import pathlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from xlbarrier import multihost
from xlbarrier.config import ScoreConfig
from xlbarrier.data.tokenize import PreTrainedTokenizerFast
from xlbarrier.datafiles import write_atomic
from xlbarrier.scoring.request import Request
from xlbarrier.scoring.store import Score, ScoreStore
from xlbarrier.tasks.rows import AnswerRow, Sheet

# The engines are imported when a model is asked: mode prompts makes the same tasks without jax.
if TYPE_CHECKING:
    import jax

    from xlbarrier.models.decoder import Decoder
    from xlbarrier.scoring.generate import Generated


@dataclass(frozen=True)
class Asked:
    """A model that a task measures.

    Attributes:
      name: of the model in the run: the base or an arm.
      decoder, tokenizer, mesh: of the model.
      folder: of its predictions.
      store: of its answers, which a continued run reuses; on the lead process only.
      score: shapes of the steps.
    """

    name: str
    decoder: 'Decoder'
    tokenizer: PreTrainedTokenizerFast
    mesh: 'jax.sharding.Mesh'
    folder: pathlib.Path
    store: ScoreStore | None = None
    score: ScoreConfig = field(default_factory=ScoreConfig)

    def scores(self, sheets: Iterable[Sequence[Request]], what: str) -> Iterator[list[Score]]:
        """The scores of each sheet of requests, in bounded memory; see `engine.score_sheets`.

        Args:
          sheets: requests, sheet by sheet.
          what: the task's name, for the progress lines.
        """
        from xlbarrier.scoring import engine

        return engine.score_sheets(
            self.decoder,
            sheets,
            mesh=self.mesh,
            row_tokens=self.score.row_tokens,
            rows_per_device=self.score.rows_per_device,
            store=self.store,
            what=f'{self.name}: scoring {what}',
        )

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        new_tokens: int,
        stops: tuple[str, ...],
        what: str,
    ) -> 'list[Generated]':
        """What the model writes after each prompt; see `generate.generate`.

        Args:
          prompts: token ids.
          new_tokens: at most.
          stops: a text ends before the first of them that occurs in it.
          what: the task's name, for the progress lines.
        """
        from xlbarrier.scoring import generate

        return generate.generate(
            self.decoder,
            self.tokenizer,
            prompts,
            generate.Ends(new_tokens, stops),
            mesh=self.mesh,
            rows_per_device=self.score.generate_rows,
            store=self.store,
            what=f'{self.name}: writing {what}',
        )

    def write(self, task: str, sheet: Sheet, rows: Sequence[AnswerRow], schema: pa.Schema) -> None:
        """Writes a sheet's answers to <task>/<variant>.<language>.parquet, on the lead process.

        Args:
          task: its name.
          sheet: variant and language.
          rows: one per item, with at least `id` and `language`.
          schema: of the columns.
        """
        if not multihost.is_lead():
            return
        variant, language = sheet
        path = self.folder / task / f'{variant}.{language}.parquet'
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(list(rows), schema)
        write_atomic(path, lambda place: pq.write_table(table, place))
