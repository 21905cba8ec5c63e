"""Recursive critique against as many critiques side by side and against their votes, at equal words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.protocols import PROTOCOLS
from app.protocols.core import Protocol
from app.reports.pressure import Arm
from app.reports.talks import Talks
from app.reports.verdict_table import Counted, VerdictTable
from app.statistics.contrasts import Contrast, contrasts
from app.statistics.readings import Readings
from app.statistics.reducers import majority, on_gold
from app.statistics.scores import scored

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
    arms: Sequence[Arm], counted: Counted, talks: Talks, words: Mapping[str, float | None], *, seed: int
) -> list[EqualWords]:
    """Every two arms of critique of which one has the depth that the other has votes; `words` by arm."""
    sides = [(arm, rules, rest) for arm in arms if (rules := _rules(arm)) and (rest := _rest(arm, rules))]
    pairs = [
        (deep["name"], wide["name"], rules.word_switch.votes)
        for deep, rules, rest in sides
        for wide, other, same in sides
        if rules.word_switch and not _switched(rules) and _switched(other) and rest == same
    ]
    readings = counted.readings if pairs else {}
    return [
        EqualWords(decision, contrast, (words.get(first), words.get(second)))
        for first, second, series in pairs
        for decision in DECISIONS
        for contrast in contrasts(
            {
                place: _decided(decision, series, own, counted.table, talks) if place[0] == second else own
                for place, own in readings.items()
                if place[0] in (first, second)
            },
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


def _decided(decision: str, series: str, readings: Readings, table: VerdictTable, talks: Talks) -> Readings:
    """Return the readings of a judge, or the result of the votes on the same talks as if it were its belief."""
    if decision == "the judge":
        return readings
    share = majority(on_gold(talks.measured(readings, table), series))
    scores = scored(np.stack([share, 1 - share], axis=1), np.zeros(share.size, dtype=np.int64))
    return replace(readings, **scores._asdict())
