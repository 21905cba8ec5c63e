"""Arms in which participants argue against each other under the same rules: a league."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import polars as pl

from app.participants.base import PEOPLE
from app.protocols import PROTOCOLS
from app.protocols.combinators import TwoSided
from app.reports.talks import Talks
from app.statistics.intervals import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class LeagueArm:
    """One arm of a league."""

    name: str
    rules: TwoSided
    seats: Mapping[str, str]

    @property
    def opposed(self) -> tuple[str, str]:
        """Return the participants of the two opposed seats."""
        first, second = self.rules.opposed
        return self.seats[first], self.seats[second]


@dataclass(frozen=True, slots=True)
class League:
    """Arms that differ in nothing but who argues."""

    arms: Sequence[LeagueArm]
    participants: Sequence[str]
    """In the order of the file; skills are relative to the first."""
    people: bool
    """Whether people argue in one of the arms: then the participants of talks are not known."""

    @property
    def names(self) -> list[str]:
        """Return the arms."""
        return [arm.name for arm in self.arms]


def leagues(file_arms: Sequence[Mapping[str, Any]]) -> list[League]:
    """Return the leagues in which two different participants oppose each other, in the order of the file.

    Where a seat chooses its answer, the sides are not assigned, and the arm is in no league.
    """
    alike: dict[str, list[LeagueArm]] = {}
    for arm in file_arms:
        rules = PROTOCOLS[arm["protocol"]]
        if issubclass(rules, TwoSided) and not rules.chooses:
            settings = {key: value for key, value in arm.items() if key in rules.model_fields}
            made = LeagueArm(arm["name"], rules.model_validate(settings), arm["seats"])
            alike.setdefault(_rest(arm, made.rules), []).append(made)
    found = (_league(arms) for arms in alike.values())
    return [league for league in found if any(len(set(arm.opposed)) > 1 for arm in league.arms)]


def _league(arms: Sequence[LeagueArm]) -> League:
    participants = list(dict.fromkeys(name for arm in arms for name in arm.opposed))
    return League(arms, [name for name in participants if name != PEOPLE], PEOPLE in participants)


def _rest(arm: Mapping[str, Any], rules: TwoSided) -> str:
    """Return all of an arm but its names, how it is balanced, and who argues. Aides that default to a speaker go with it."""
    aides = {seat.name for seat in rules.seats() if seat.default in rules.opposed}
    seats = {
        seat: holder
        for seat, holder in arm["seats"].items()
        if seat not in rules.opposed and seat not in aides
    }
    kept = {key: value for key, value in arm.items() if key not in ("name", "preset", "balance")}
    return json.dumps({**kept, "seats": seats}, sort_keys=True)


@dataclass(frozen=True, slots=True, eq=False)
class Opponents:
    """Who argued for what in each talk of a league: (talks,) arrays by row of the frame of talks, -1 for talks of other arms."""

    honest: IntArray
    """Place among the participants of who argues for gold."""
    other: IntArray
    """Of who argues against it."""
    length: FloatArray
    """Logarithm to the base 2 of the words for gold over the words against it; NaN where either is not known, or 0."""


def opponents(league: League, talks: Talks, words: pl.DataFrame) -> Opponents:
    """Return who opposed whom; `words` is a frame of `app.records.side_words`."""
    keys = ("arm", "assignment", "argues", "gold")
    own = talks.frame.with_columns(pl.col("arm").cast(pl.String)).filter(pl.col("arm").is_in(league.names))
    cases = list(_cases(league, own.select(keys).unique(maintain_order=True)))
    kinds: dict[str, Any] = {
        "honest_seat": pl.String,
        "other_seat": pl.String,
        "honest": pl.Int64,
        "other": pl.Int64,
    }
    schema = {**{key: own.schema[key] for key in keys}, **kinds}
    joined = own.join(pl.DataFrame(cases, schema, orient="row"), on=keys, how="left", maintain_order="left")
    for side in ("honest", "other"):
        spoken = words.rename({"seat": f"{side}_seat", "words": f"{side}_words"})
        joined = joined.join(spoken, on=("hash", f"{side}_seat"), how="left", maintain_order="left")
    ratio = pl.when((pl.col("honest_words") > 0) & (pl.col("other_words") > 0)).then(
        pl.col("honest_words") / pl.col("other_words")
    )
    rows = joined["talk"].to_numpy()
    honest, other = (np.full(talks.frame.height, -1) for _ in range(2))
    length = np.full(talks.frame.height, math.nan)
    honest[rows] = joined["honest"].fill_null(-1).to_numpy()
    other[rows] = joined["other"].fill_null(-1).to_numpy()
    length[rows] = joined.select(ratio.log(2).fill_null(math.nan)).to_series().to_numpy()
    return Opponents(honest, other, length)


def _cases(league: League, different: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Yield each different talk with the seats and participants for and against gold."""
    by_name = {arm.name: arm for arm in league.arms}
    places = {name: place for place, name in enumerate(league.participants)}
    for name, number, argues, gold in different.iter_rows():
        arm, answers = by_name[name], orjson.loads(argues)
        first, second = arm.rules.opposed
        if {answers.get(first) == gold, answers.get(second) == gold} != {True, False}:
            continue
        models = {seat: holder for seat, holder in arm.seats.items() if holder != PEOPLE}
        holders = arm.rules.holders(dict(arm.seats), arm.rules.balanced(2, models)[number])
        honest, other = (first, second) if answers[first] == gold else (second, first)
        yield (
            *(name, number, argues, gold, honest, other),
            *(places[holders[honest]], places[holders[other]]),
        )
