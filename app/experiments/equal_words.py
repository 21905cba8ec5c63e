"""Critique upon critique against as many critiques read side by side, and against their votes: the same words, spent otherwise."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.protocols import PROTOCOLS
from app.protocols.critique import Critique
from app.records.verdicts import Placed
from app.reports.contrasts import Contrast, contrasts
from app.reports.metrics import majority, votes
from app.reports.scores import Reading

DECISIONS = ("the judge", "the votes")
"""Who decides on critiques that were written side by side."""


@dataclass(frozen=True, slots=True)
class EqualWords:
    """One judge of critique upon critique, less another decision on as many critiques written side by side."""

    decision: str
    """Whose decision the second arm's accuracy is: one of `DECISIONS`."""
    contrast: Contrast
    """The arm with depth less the arm with votes, on the questions judged under both."""
    words: tuple[float | None, float | None]
    """Of the speeches that judges read, a trial, under either arm; None as long as no trial is finished."""


def equal_words(
    arms: Sequence[Mapping[str, Any]],
    rows: Sequence[Placed],
    measures: Mapping[UUID, Mapping[str, float]],
    words: Mapping[str, float | None],
    *,
    seed: int,
) -> list[EqualWords]:
    """Every two arms of critique of which one has the depth that the other has votes; `measures` by trial, `words` by arm."""
    critiques = list(_critiques(arms))
    deep, wide = ([arm for arm in critiques if getattr(arm[1], of) > 1] for of in ("depth", "votes"))
    return [
        EqualWords(decision, contrast, (words.get(first), words.get(second)))
        for first, upon in deep
        for second, beside in wide
        if upon.depth == beside.votes and _rest(upon) == _rest(beside)
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


def _critiques(arms: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Critique]]:
    """The arms of critique, by name, with their settings."""
    for arm in arms:
        rules = PROTOCOLS[arm["protocol"]]
        if issubclass(rules, Critique):
            settings = {key: value for key, value in arm.items() if key in rules.model_fields}
            yield arm["name"], rules.model_validate(settings)


def _rest(rules: Critique) -> dict[str, Any]:
    """All settings that change what is said, but for how the words of critics are spent."""
    return rules.model_dump(exclude={"depth", "votes", "grade", "mark"})


def _decided(
    decision: str, rows: Sequence[Placed], measures: Mapping[UUID, Mapping[str, float]]
) -> Iterator[Reading]:
    """The readings of a judge, or what the votes on the same trials come to, as if that were its belief."""
    for row in rows:
        if decision == "the judge":
            yield row.reading
        else:
            share = majority(votes(measures[row.trial], gold_first=row.gold == 0))
            yield replace(row.reading, p_gold=share, p_best_other=1 - share, p_rest=())
