"""Recursive critique against as many critiques side by side and against their votes, at equal words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.protocols import PROTOCOLS
from app.protocols.core import Protocol
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
    """Every two arms of critique of which one has the depth that the other has votes; `measures` by trial, `words` by arm."""
    sides = [(arm, rules, rest) for arm in arms if (rules := _rules(arm)) and (rest := _rest(arm, rules))]
    pairs = [
        (deep["name"], wide["name"], rules.word_switch.votes)
        for deep, rules, rest in sides
        for wide, other, same in sides
        if rules.word_switch and not _switched(rules) and _switched(other) and rest == same
    ]
    return [
        EqualWords(decision, contrast, (words.get(first), words.get(second)))
        for first, second, series in pairs
        for decision in DECISIONS
        for contrast in contrasts(
            [
                *(row.reading for row in rows if row.arm == first),
                *_decided(decision, series, [row for row in rows if row.arm == second], measures),
            ],
            [(first, second)],
            seed=seed,
        )
    ]


def _rules(arm: Arm) -> Protocol | None:
    """Return the settings of an arm whose protocol has two ways to spend the same words."""
    rules = PROTOCOLS[arm["protocol"]]
    if rules.word_switch is None:
        return None
    return rules.model_validate({key: value for key, value in arm.items() if key in rules.model_fields})


def _switched(rules: Protocol) -> bool:
    assert rules.word_switch is not None
    return bool(getattr(rules, rules.word_switch.switch))


def _rest(arm: Arm, rules: Protocol) -> tuple[Any, ...] | None:
    """Return all of an arm that changes what is said, but for how the words are spent; None where several spend them."""
    equal = rules.word_switch
    assert equal is not None
    spending = {seat.name for seat in rules.seats() if seat.group == equal.group}
    spenders = {holder for seat, holder in arm["seats"].items() if seat in spending}
    if len(spending) < 2 or len(spenders) != 1:
        return None
    settings = rules.model_dump(exclude={equal.switch, *equal.settings})
    aside = spending | equal.seats
    others = {seat: holder for seat, holder in arm["seats"].items() if seat not in aside}
    return rules.name, settings, others, spenders, arm.get("prompts")


def _decided(
    decision: str, series: str, rows: Sequence[Placed], measures: Mapping[UUID, Mapping[str, float]]
) -> Iterator[ScoredReading]:
    """Yield the readings of a judge, or the result of the votes on the same trials as if it were its belief."""
    for row in rows:
        if decision == "the judge":
            yield row.reading
        else:
            share = majority(on_gold(measures[row.trial], series, gold_first=row.gold == 0))
            yield replace(row.reading, p_gold=share, p_best_other=1 - share, p_rest=())
