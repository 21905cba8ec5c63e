"""What the sides of a talk said: the frame of speeches with the side that each seat argued for."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import orjson
import polars as pl

from app.reports.evidence import Evidence
from app.statistics.intervals import FloatArray, IntArray

NO_SIDE = -1


def sides_of(evidence: Evidence) -> pl.DataFrame:
    """Return `with_sides` of the evidence, made once."""
    return evidence.once(with_sides)


def with_sides(evidence: Evidence) -> pl.DataFrame:
    """Return the frame of speeches with its talk's row, arm, family, question and gold, and `argued`: the place of the answer that the
    seat argued for, -1 for none.
    """
    facts = evidence.facts
    talks = facts.talks.select("hash", "talk", "arm", "family", "question", "gold", "argues")
    joined = facts.spoken.join(talks, on="hash", how="inner", maintain_order="left")
    own = joined.select("seat", "argues").unique()
    argued = [
        orjson.loads(argues).get(seat, NO_SIDE)
        for seat, argues in own.with_columns(pl.col("seat").cast(pl.String)).iter_rows()
    ]
    placed = own.with_columns(pl.Series("argued", argued, pl.Int32))
    return joined.join(placed, on=("seat", "argues"), how="left", maintain_order="left").drop("argues")


@dataclass(frozen=True, slots=True, eq=False)
class TwoSides:
    """A figure of the talks in which two answers were argued for: (talks,) arrays by row of the frame of talks, NaN elsewhere."""

    answers: IntArray
    """(talks, 2) the two answers, the lower place first; -1 elsewhere."""
    figures: Mapping[str, FloatArray]
    """(talks, 2) sums of a column over the seats that argued for each answer."""


def two_sides(spoken: pl.DataFrame, talks: int, columns: tuple[str, ...]) -> TwoSides:
    """Return what the two sides of each talk have of these columns of `with_sides`."""
    argued = spoken.filter(pl.col("argued") >= 0)
    by_answer = argued.group_by("talk", "argued").agg(pl.col(columns).sum()).sort("talk", "argued")
    several = by_answer.filter(pl.len().over("talk") == 2)
    talk = several["talk"].to_numpy()[::2]
    answers = np.full((talks, 2), NO_SIDE, dtype=np.int64)
    answers[talk] = several["argued"].to_numpy().reshape(-1, 2)
    figures = {}
    for name in columns:
        held = np.full((talks, 2), np.nan)
        held[talk] = several[name].to_numpy().reshape(-1, 2)
        figures[name] = held
    return TwoSides(answers, figures)
