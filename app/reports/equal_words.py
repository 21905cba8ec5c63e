"""Recursive critique against as many critiques side by side and against their votes, at equal words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.protocols import PROTOCOLS
from app.protocols.critique import Critique
from app.protocols.flaws import GRADER
from app.records.verdicts import Placed
from app.reports.pressure import Arm
from app.statistics.contrasts import Contrast, contrasts
from app.statistics.reducers import majority, on_gold
from app.statistics.scores import ScoredReading

DECISIONS = ("the judge", "the votes")
"""The decisions on critiques that were written side by side."""


@dataclass(frozen=True, slots=True)
class EqualWords:
    """One judge of recursive critique, less another decision on as many critiques written side by side."""

    decision: str
    """The source of the second arm's accuracy: one of `DECISIONS`."""
    contrast: Contrast
    """The arm with depth less the arm with votes, on the questions judged under both."""
    words: tuple[float | None, float | None]
    """Words of the speeches that judges read, per trial, under either arm; None until a trial is finished."""


def equal_words(
    arms: Sequence[Arm],
    rows: Sequence[Placed],
    measures: Mapping[UUID, Mapping[str, float]],
    words: Mapping[str, float | None],
    *,
    seed: int,
) -> list[EqualWords]:
    """Return a comparison for every two arms of critique where one's depth is the other's votes. `measures`
    is by trial, `words` by arm.
    """
    critiques = [(arm, rules) for arm in arms if (rules := _rules(arm))]
    deep, wide = ([pair for pair in critiques if getattr(pair[1], of) > 1] for of in ("depth", "votes"))
    pairs = [
        (arm["name"], other["name"])
        for arm, upon in deep
        for other, beside in wide
        if upon.depth == beside.votes and _rest(arm, upon) == _rest(other, beside)
    ]
    return [
        EqualWords(decision, contrast, (words.get(first), words.get(second)))
        for first, second in pairs
        for decision in DECISIONS
        for contrast in contrasts(
            [
                *(row.reading for row in rows if row.arm == first),
                *_decided(decision, [row for row in rows if row.arm == second], measures),
            ],
            [(first, second)],
            seed=seed,
        )
    ]


def _rules(arm: Arm) -> Critique | None:
    """Return the settings of an arm of critique in which one participant writes all critiques."""
    rules = PROTOCOLS[arm["protocol"]]
    if not issubclass(rules, Critique) or len(_critics(arm)) != 1:
        return None
    return rules.model_validate({key: value for key, value in arm.items() if key in rules.model_fields})


def _critics(arm: Arm) -> set[str]:
    return {holder for seat, holder in arm["seats"].items() if seat.startswith("critic")}


def _rest(arm: Arm, rules: Critique) -> tuple[Any, ...]:
    """Return all settings of an arm that change the talk, except how the words of critics are divided."""
    settings = rules.model_dump(exclude={"depth", "votes", "grade", "mark"})
    others = {
        seat: holder
        for seat, holder in arm["seats"].items()
        if not seat.startswith("critic") and seat not in ("voter", GRADER.name)
    }
    return settings, others, _critics(arm), arm.get("prompts")


def _decided(
    decision: str, rows: Sequence[Placed], measures: Mapping[UUID, Mapping[str, float]]
) -> Iterator[ScoredReading]:
    """Yield the readings of a judge, or the result of the votes on the same trials as if it were its belief."""
    for row in rows:
        if decision == "the judge":
            yield row.reading
        else:
            share = majority(on_gold(measures[row.trial], "vote/", gold_first=row.gold == 0))
            yield replace(row.reading, p_gold=share, p_best_other=1 - share, p_rest=())
