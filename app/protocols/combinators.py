"""Patterns that scripts share: candidates and a chooser, coming to a belief, checking positions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

from pydantic import Field, model_validator

from app.protocols.core import (
    Ask,
    Assignment,
    Belief,
    Case,
    Limits,
    Move,
    Outcome,
    Pick,
    Protocol,
    Said,
    Seat,
    Shown,
    Talk,
    one,
    paths,
    together,
)

CHECKER = "checker"


class Argued(Protocol):
    """A protocol in which seats argue; holds the settings that every such protocol has."""

    target_words: int = Field(100, ge=10, le=2000)
    """Words that a speech is asked to have."""
    min_words: int = Field(70, ge=0, le=2000)
    """Fewest words that are accepted without asking again."""
    max_words: int = Field(150, ge=10, le=4000)
    """Most words that are accepted; a longer speech is asked for again, then cut at a sentence."""
    quote_characters: int = Field(250, ge=0, le=100_000)
    """New verified characters of the passage that one speech may quote."""

    @model_validator(mode="after")
    def _lengths_fit(self) -> Self:
        if not self.min_words <= self.target_words <= self.max_words:
            raise ValueError("min_words, target_words and max_words must not decrease in this order")
        return self

    @property
    def limits(self) -> Limits:
        """The bounds on one speech."""
        return Limits(self.target_words, self.min_words, self.max_words, self.quote_characters)

    def speech(self, seat: str, kind: str, said: Said, *, number: int, rounds: int, **more: Any) -> Ask:
        """Ask `seat` for its speech of round `number`, showing what was said; `more` are further facts for the prompt."""
        facts = {"round": number, "rounds": rounds, **more}
        return Ask(f"r{number}/{seat}", seat, kind, "speech", paths(said), limits=self.limits, facts=facts)

    def spoken(self, *asks: Ask) -> Talk[tuple[Move, ...]]:
        """Have these speeches made side by side, unseen by one another: every argument of every protocol passes here."""
        return tuple((yield list(asks)))


def arguing(name: str, title: str, group: str, *, lettered: bool = True) -> Seat:
    """A seat that reads the passage and argues for an answer."""
    return Seat(name, title, group, reads_passage=True, lettered=lettered)


def checker(default: str) -> Seat:
    """The seat that says of every speech whether it still argues for its side; held by `default`'s participant."""
    return Seat(CHECKER, "Checker", people=False, default=default)


def advocate(name: str, title: str, group: str) -> Seat:
    """A seat that argues alone: it has no letter, since nobody argues for another answer beside it."""
    return arguing(name, title, group, lettered=False)


def one_sided(seat: str, answers: int) -> tuple[Assignment, ...]:
    """The assignments of a protocol in which one seat argues: one for each answer, over which accuracy is averaged."""
    return tuple(Assignment({seat: answer}) for answer in range(answers))


def argued(case: Case, said: Said) -> Talk[Outcome]:
    """End an argued talk: check the position of every speech that argues for an answer, show none of the checks."""
    yield from checked(case, said)
    return Outcome(paths(said))


def checked(case: Case, said: Said) -> Talk[None]:
    """Check whether every speech that argues for an answer still does."""
    yield [
        Ask(
            f"{move.path}/position",
            CHECKER,
            "position",
            "stance",
            ((move.path,),),
            facts={"side": case.argues[move.seat]},
        )
        for group in said
        for move in group
        if move.seat in case.argues
    ]


def best_of(ask: Ask, n: int, choose: Callable[[list[Move]], Talk[int]]) -> Talk[Move]:
    """Ask for `n` candidates (`path/c1` …), each a move of its own, and return the one that `choose` names."""
    if n == 1:
        return (yield from one(ask))
    candidates = yield [replace(ask, path=f"{ask.path}/c{number}") for number in range(1, n + 1)]
    return candidates[(yield from choose(candidates))]


def believe(
    case: Case, path: str, seat: str, shows: Shown, *, order: tuple[int, ...], kind: str = "belief"
) -> Talk[Belief]:
    """Come to a belief over the answers, as `case.elicits(seat)` says: stated, after reasoning, or by votes.

    The moves are `path` itself, `path/reason` before it where the seat reasons first, and `path/v1` … for votes. Where
    `kind` is not a judge's belief but a price, say, its votes and reasons are `price-vote` and `price-reason`.
    """
    how = case.elicits(seat)
    vote, reason = ("vote", "reason") if kind == "belief" else (f"{kind}-vote", f"{kind}-reason")
    reasons = reason if how.reason_first else None
    if not how.votes:
        return (yield from _belief(reasons, Ask(path, seat, kind, "belief", shows, order)))
    votes = [
        Ask(f"{path}/v{number}", seat, vote, "pick", shows, order, facts={"options": "answers"})
        for number in range(1, how.votes + 1)
    ]
    picks = yield from together(*(_after_reason(reasons, vote) for vote in votes))
    return _vote_share([_picked(move) for move in picks], order)


def _belief(reason: str | None, ask: Ask) -> Talk[Belief]:
    move = yield from _after_reason(reason, ask)
    assert isinstance(move.content, Belief)
    return move.content


def _after_reason(kind: str | None, ask: Ask) -> Talk[Move]:
    """Ask at once, or first for a thought (asked for as `kind`) that the ask then shows."""
    if kind is not None:
        reason = Ask(f"{ask.path}/reason", ask.seat, kind, "thought", ask.shows, ask.order)
        yield [reason]
        ask = replace(ask, shows=(*ask.shows, (reason.path,)))
    return (yield from one(ask))


def _picked(move: Move) -> int:
    assert isinstance(move.content, Pick)
    return move.content.index


def _vote_share(picks: Sequence[int], order: tuple[int, ...]) -> Belief:
    """The share of votes for each answer, in the trial's own order; `picks` are indices as read."""
    shares = [0.0] * len(order)
    for pick in picks:
        shares[order[pick]] += 1 / len(picks)
    return Belief(p=tuple(shares), method="votes")
