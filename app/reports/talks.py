"""The frame of talks, with what its texts of JSON say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
import polars as pl

from app.reports.verdict_table import VerdictTable
from app.statistics.intervals import FloatArray, IntArray
from app.statistics.readings import Marks, MeasuredReadings, Readings


@dataclass(frozen=True, slots=True, eq=False)
class Talks:
    """The talks of an experiment: the frame, and the measures of each."""

    frame: pl.DataFrame
    measures: Sequence[Mapping[str, float]]
    """By row."""

    def answers(self, answer: Callable[[str, Mapping[str, int]], int | None]) -> IntArray:
        """Return an answer of each talk, from its arm and what its seats argue for; -1 for None."""
        key = pl.concat_str(pl.col("arm").cast(pl.String), pl.lit("\0"), pl.col("argues"))
        keys = self.frame.select(key).to_series().to_list()
        found: dict[str, int] = {}
        for text in dict.fromkeys(keys):
            arm, _, argues = text.partition("\0")
            place = answer(arm, orjson.loads(argues))
            found[text] = -1 if place is None else place
        return np.array([found[text] for text in keys], dtype=np.int64)

    def measured(
        self,
        readings: Readings,
        table: VerdictTable,
        argued: IntArray | None = None,
        marks: Marks | None = None,
    ) -> MeasuredReadings:
        """Return readings with the measures of their talks. `argued` has the answer that each talk argued for alone, or -1."""
        rows = readings.rows
        talk, gold = table.talk[rows], table.gold[rows]
        alone = np.full(rows.size, -1) if argued is None else argued[talk]
        there = alone >= 0
        p_argued: FloatArray = np.where(there, table.beliefs[rows, alone], np.nan)
        return MeasuredReadings(
            readings,
            path=table.path(rows),
            p_argued=p_argued,
            argues_gold=np.where(there, (alone == gold).astype(np.float64), np.nan),
            gold_first=gold == 0,
            measures=[self.measures[at] for at in talk.tolist()],
            marks=marks,
        )


def talks_of(frame: pl.DataFrame) -> Talks:
    """Return the frame of talks with its measures."""
    return Talks(frame, [orjson.loads(text) for text in frame["measures"].to_list()])
