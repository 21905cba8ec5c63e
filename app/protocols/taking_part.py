"""A judge who takes part in the talk: its moves at its turn, swings of its belief, and the cost of its turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from app.protocols.combinators import believe
from app.protocols.core import (
    Ask,
    Belief,
    Case,
    Facts,
    Limits,
    Move,
    Note,
    PickFacts,
    Said,
    Shown,
    Talk,
    one,
    picked,
    together,
)

DECIDE = 1
"""The second of the judge's two options: go on, or decide now."""
_OPTIONS = ("go on", "decide now")
_SAYS = ("Goes on.", "Decides now.")
_REMARK = Limits(target_words=40, max_words=80)


@dataclass(frozen=True, kw_only=True)
class TurnFacts(Facts):
    """Facts of the judge's turn at the opening of a round."""

    round: int
    rounds: int
    penalty: float
    """Bits that every further round costs the judge."""
    credence: tuple[float, ...] | None = None
    """The belief in each answer that the judge has just stated."""


@dataclass(frozen=True, kw_only=True)
class StopFacts(TurnFacts, PickFacts):
    """Facts of the choice to end the talk."""


@dataclass(frozen=True, slots=True)
class JudgeTurn:
    """The judge's moves at the opening of a round."""

    belief: Belief
    note: Move | None = None
    stop: Move | None = None

    @property
    def remark(self) -> Said:
        """Return the paths that the sides read; empty where the judge made no remark."""
        if self.note is None or not isinstance(self.note.content, Note) or not self.note.content.text.strip():
            return ()
        return ((self.note,),)

    @property
    def decides(self) -> bool:
        """Return whether it wants to decide."""
        return self.stop is not None and picked(self.stop) == DECIDE


def last_turn(case: Case, turn: str, seat: str, shows: Shown) -> Talk[JudgeTurn]:
    """Ask for the judge's belief alone: no seat would read a remark now."""
    return JudgeTurn((yield from _belief(case, turn, seat, shows)))


def turn_at_once(
    case: Case, turn: str, seat: str, shows: Shown, facts: TurnFacts, *, may_stop: bool
) -> Talk[JudgeTurn]:
    """Ask for belief, remark and, if it `may_stop`, whether to go on: together, each unseen by the others."""
    asks = [Ask(f"{turn}/{seat}", seat, "remark", "note", shows, limits=_REMARK, facts=facts)]
    if may_stop:
        stopping = StopFacts(**facts.by_name(), options=_OPTIONS, says=_SAYS)
        asks.append(Ask(f"{turn}/{seat}/stop", seat, "stop", "pick", shows, facts=stopping))
    given: list[Any] = yield from together(_belief(case, turn, seat, shows), *map(one, asks))
    return JudgeTurn(*given)


def turn_of(
    case: Case, turn: str, seat: str, shows: Shown, facts: TurnFacts, *, may_stop: bool
) -> Talk[JudgeTurn]:
    """Ask for belief, remark and, if it `may_stop`, whether to go on, in this order, each with those before it.

    The judge is scored on the belief, so it must know it when it decides whether to go on.
    """
    belief = yield from _belief(case, turn, seat, shows)
    known = {**facts.by_name(), "credence": tuple(round(share, 4) for share in belief.p)}
    note = yield from one(
        Ask(f"{turn}/{seat}", seat, "remark", "note", shows, limits=_REMARK, facts=TurnFacts(**known))
    )
    if not may_stop:
        return JudgeTurn(belief, note)
    stopping = StopFacts(**known, options=_OPTIONS, says=_SAYS)
    read = (*shows, (note.path,))
    stop = yield from one(Ask(f"{turn}/{seat}/stop", seat, "stop", "pick", read, facts=stopping))
    return JudgeTurn(belief, note, stop)


def _belief(case: Case, turn: str, seat: str, shows: Shown) -> Talk[Belief]:
    return believe(case, f"{turn}/{seat}/belief", seat, shows, order=tuple(range(len(case.answers))))


def swung(beliefs: Sequence[Belief], swing: float) -> bool:
    """Return whether the last of these beliefs differs, for any answer, by more than a swing from the one
    before.
    """
    return any(
        abs(now - then) > swing
        for before, after in pairwise(beliefs[-2:])
        for then, now in zip(before.p, after.p, strict=True)
    )


def measured(beliefs: Sequence[Belief], swing: float, penalty: float) -> dict[str, float]:
    """Return how often the judge went on after the first round, the cost at this many bits each, and its
    swings.
    """
    continuations = len(beliefs) - 2
    return {
        "continuations": float(continuations),
        "penalty": penalty * continuations,
        "swings": float(sum(swung(pair, swing) for pair in pairwise(beliefs))),
    }
