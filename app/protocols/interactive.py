"""Interactive debate and consultancy: the judge says what it believes, asks, and ends the talk when it has heard enough."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from app.protocols.combinators import (
    Argued,
    advocate,
    argued,
    arguing,
    believe,
    one_sided,
)
from app.protocols.core import (
    Ask,
    Assignment,
    Belief,
    Case,
    Limits,
    Measure,
    Move,
    Note,
    Outcome,
    Pick,
    Said,
    Seat,
    Talk,
    one,
    paths,
    together,
)
from app.protocols.debate import SIDES

DECIDE = 1
"""The second of the two things that the judge may pick: go on, or decide now."""
_STOP = {"options": ["go on", "decide now"], "says": ["Goes on.", "Decides now."]}


class Interactive(Argued):
    """The judge opens every round with its belief and a remark, for all to see, and ends the talk where it wants to."""

    source = (
        "Michael et al. 2023 (arXiv 2311.08702), section 2.1 and equations 1 and 2; fewest rounds, and one more after "
        "a swing, as section 5 suggests"
    )
    judge_takes_part = True
    varies = "the judge ends the talk when it has heard enough, after `min_rounds` to `max_rounds` rounds"
    measures = (
        Measure("continuations", "Rounds after the first", "rounds"),
        Measure("penalty", "What these cost the judge", "bits"),
        Measure("swings", "Swings of the judge's belief", "swings"),
    )
    speech_kind: ClassVar[str]
    """Which prompt asks for a speech."""

    min_rounds: int = Field(2, ge=1, le=20)
    """Rounds that are spoken before the judge may end the talk."""
    max_rounds: int = Field(6, ge=1, le=20)
    """Most rounds that are spoken."""
    swing: float = Field(0.25, ge=0, le=1)
    """A judge whose belief in an answer moved by more than this in the last round hears one round more; 1 for never."""
    turn_penalty: float = Field(0.05, ge=0, le=10)
    """Bits that every round after the first costs the judge, whose score is the log2 of its belief in the right answer."""

    @model_validator(mode="after")
    def _rounds_fit(self) -> Self:
        if self.min_rounds > self.max_rounds:
            raise ValueError("min_rounds must not be more than max_rounds")
        return self

    @abstractmethod
    def turns(self, number: int) -> Sequence[tuple[str, ...]]:
        """Who speaks in a round: those of one tuple at once, one tuple after the other."""

    def script(self, case: Case) -> Talk[Outcome]:
        """The judge opens round after round, until it may and would decide; what it believes then is its verdict."""
        said: Said = ()
        beliefs: list[Belief] = []
        for number in count(1):
            turn = yield from self._judges_turn(case, number, said)
            beliefs.append(turn.belief)
            if number > self.max_rounds or (turn.decides and not self._swung(beliefs[-2:])):
                break
            said += turn.remark
            for seats in self.turns(number):
                asks = (self._asked(seat, number, said, turn.belief) for seat in seats)
                said += ((yield from self.spoken(case, *asks)),)
        end = yield from argued(case, said)
        return replace(end, belief=beliefs[-1], beliefs=tuple(beliefs), measures=self._measures(beliefs))

    def _judges_turn(self, case: Case, number: int, said: Said) -> Talk["_Turn"]:
        """Belief, remark and, where there is a choice, whether to go on: asked for together, each unseen by the others."""
        seat, shows = self.judge.name, paths(said)
        order = tuple(range(len(case.answers)))
        belief = believe(case, f"r{number}/{seat}/belief", seat, shows, order=order)
        if number > self.max_rounds:
            return _Turn((yield from belief))
        facts: dict[str, Any] = {"round": number, "rounds": self.max_rounds, "penalty": self.turn_penalty}
        asks = [
            Ask(f"r{number}/{seat}", seat, "remark", "note", shows, limits=Limits(40, 0, 80), facts=facts)
        ]
        if number > self.min_rounds:
            facts = {**facts, **_STOP}
            asks.append(Ask(f"r{number}/{seat}/stop", seat, "stop", "pick", shows, facts=facts))
        given: list[Any] = yield from together(belief, *map(one, asks))
        return _Turn(*given)

    def _asked(self, seat: str, number: int, said: Said, belief: Belief) -> Ask:
        """Ask for a speech, telling what the judge believes now."""
        credence = [round(share, 4) for share in belief.p]
        rounds = self.max_rounds
        return self.speech(seat, self.speech_kind, said, number=number, rounds=rounds, credence=credence)

    def _swung(self, beliefs: Sequence[Belief]) -> bool:
        """Whether the last of two beliefs is further than a swing from the one before."""
        return any(
            abs(now - then) > self.swing
            for before, after in pairwise(beliefs)
            for then, now in zip(before.p, after.p, strict=True)
        )

    def _measures(self, beliefs: Sequence[Belief]) -> dict[str, float]:
        continuations = len(beliefs) - 2
        return {
            "continuations": float(continuations),
            "penalty": self.turn_penalty * continuations,
            "swings": float(sum(self._swung(pair) for pair in pairwise(beliefs))),
        }


@dataclass(frozen=True, slots=True)
class _Turn:
    """What the judge gave at the opening of a round."""

    belief: Belief
    note: Move | None = None
    pick: Move | None = None

    @property
    def remark(self) -> Said:
        """What the sides get to read; nothing where the judge had nothing to say."""
        said = (
            self.note is not None and isinstance(self.note.content, Note) and self.note.content.text.strip()
        )
        return ((self.note,),) if self.note and said else ()

    @property
    def decides(self) -> bool:
        """Whether it would rather not go on."""
        return (
            self.pick is not None
            and isinstance(self.pick.content, Pick)
            and self.pick.content.index == DECIDE
        )


class InteractiveDebate(Interactive):
    """Two debaters argue before a judge who asks, says what it believes after every round, and ends the debate."""

    name = "interactive-debate"
    speech_kind = "debater"

    max_words: int = Field(125, ge=10, le=4000)
    """Most words that are accepted, about 750 characters; a longer speech is asked for again, then cut at a sentence."""

    def seats(self) -> tuple[Seat, ...]:
        """Two debaters and their checker."""
        return self.seated(*(arguing(name, "Debater", "debaters") for name in SIDES))

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Two, since from the second round on one speaks first: the other has the seats exchanged."""
        return self.two_sided(*SIDES, exchanged=True)

    @property
    def reading_orders(self) -> int:
        """One for a judge who reads the finished debate: the trial with the seats exchanged is the other."""
        return 1

    def turns(self, number: int) -> Sequence[tuple[str, ...]]:
        """Both at once in the first round, then one after the other."""
        return [SIDES] if number == 1 else [(side,) for side in SIDES]


class InteractiveConsultancy(Interactive):
    """One consultant argues for an assigned answer before a judge who asks, says what it believes, and ends the talk."""

    name = "interactive-consultancy"
    speech_kind = "consultant"

    target_words: int = Field(200, ge=10, le=2000)
    """Words that a statement is asked to have: twice a debater's, so that transcripts are equally long."""
    min_words: int = Field(140, ge=0, le=2000)
    """Fewest words that are accepted without asking again."""
    max_words: int = Field(250, ge=10, le=4000)
    """Most words that are accepted, about 1500 characters; a longer one is asked for again, then cut at a sentence."""
    quote_characters: int = Field(500, ge=0, le=100_000)
    """New verified characters of the passage that one statement may quote."""

    def seats(self) -> tuple[Seat, ...]:
        """The consultant and its checker."""
        return self.seated(advocate("consultant", "Consultant", "consultants"))

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """One for each answer: accuracy is the mean over them."""
        return one_sided("consultant", answers)

    def turns(self, number: int) -> Sequence[tuple[str, ...]]:
        """The consultant alone."""
        return [("consultant",)]
