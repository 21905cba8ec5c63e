"""Recursive critique against as many critiques side by side and against their votes, at equal words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.protocols import PROTOCOLS
from app.protocols.core import Protocol
from app.reports.figures.core import Evidence, Figure, Names, Section
from app.reports.figures.pressure import Arm
from app.reports.talks import Talks
from app.reports.verdict_table import Counted, VerdictTable
from app.reports.written import difference, interval, share, shown_p
from app.shown_table import ABSENT, Column, Kind, ShownTable
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


def _table(rows: Sequence[EqualWords], names: Names) -> ShownTable[EqualWords]:
    columns: tuple[Column[EqualWords], ...] = (
        Column("in depth", lambda row: names.contrast_names(row.contrast)[0], Kind.NAME),
        Column("side by side", lambda row: names.contrast_names(row.contrast)[1], Kind.NAME),
        Column("decided by", lambda row: row.decision, Kind.NAME),
        Column("judge", lambda row: names.contrast_names(row.contrast)[2], Kind.NAME),
        Column("words", lambda row: " and ".join(ABSENT if n is None else f"{n:.0f}" for n in row.words)),
        Column(
            "accuracy",
            lambda row: f"{share(row.contrast.first_accuracy)} and {share(row.contrast.second_accuracy)}",
        ),
        Column("difference", lambda row: difference(row.contrast)),
        Column("95% interval", lambda row: interval(row.contrast)),
        Column("p", lambda row: shown_p(row.contrast.p)),
        Column("questions", lambda row: row.contrast.questions),
    )
    return ShownTable(
        "Critique at equal words",
        columns,
        rows,
        "Recursive critique less critiques side by side, at equal words",
        "Recursive critique against as many critiques side by side, and against a vote on each of them.",
    )


def _rows(evidence: Evidence) -> list[EqualWords]:
    words = {count.arm: count.words for count in evidence.facts.speeches}
    return equal_words(evidence.file_arms, evidence.counted, evidence.talks, words, seed=evidence.seed)


def _words(rows: Sequence[EqualWords]) -> list[str]:
    return [NOTE] if rows else []


NOTE = (
    "At equal words: accuracy with critique upon critique less that with as many critiques written side by side, decided "
    "by the judge who reads them all, or by the majority of votes, each cast on the argument and one critique alone; words "
    "are those of the speeches that judges read, a trial. Votes are the voter's, whichever judge they stand beside."
)

EQUAL_WORDS = Figure(
    name="equal_words",
    title="Critique at equal words",
    about="Recursive critique against as many critiques side by side, and against a vote on each of them.",
    source="Saunders et al. 2022 and Irving et al. 2018, compared as the page of the protocol says.",
    needs="two arms of critique, of which one has the depth that the other has votes",
    rows=_rows,
    table=_table,
    words=_words,
    section=Section.COMPARISONS,
)
