"""Interactive debate and consultancy: the judge states its belief, asks, and ends the talk when it has heard
enough.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import (
    dataclass,
    replace,
)
from itertools import count
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from app.protocols.combinators import (
    Argued,
    RoundFacts,
    TwoSided,
    argued,
    arguing,
)
from app.protocols.consultancy import CONSULTANT, Advised
from app.protocols.core import Ask, Assignment, Belief, Case, Measure, Outcome, Said, Seat, Talk, paths
from app.protocols.debate import SIDES
from app.protocols.taking_part import (
    JudgeTurn,
    TurnFacts,
    last_turn,
    measured,
    swung,
    turn_at_once,
    turn_of,
)


@dataclass(frozen=True, kw_only=True)
class CredenceFacts(RoundFacts):
    """Facts of a speech before a judge who says what it believes."""

    credence: tuple[float, ...]
    """The judge's present belief in each answer."""


class Interactive(Argued):
    """The judge opens every round with a public belief and remark, and ends the talk when it decides to."""

    source = (
        "Michael et al. 2023 (arXiv 2311.08702), section 2.1 and equations 1 and 2; fewest rounds, and one more after "
        "a swing, as section 5 suggests"
    )
    varies = "the judge ends the talk when it has heard enough, after `min_rounds` to `max_rounds` rounds"
    measures = (
        Measure("continuations", "Rounds after the first", "rounds"),
        Measure("penalty", "What these cost the judge", "bits"),
        Measure("swings", "Swings of the judge's belief", "swings"),
    )
    speech_kind: ClassVar[str]
    """The kind of prompt of a speech."""

    min_rounds: int = Field(2, ge=1, le=20)
    """Rounds before the judge may end the talk."""
    max_rounds: int = Field(6, ge=1, le=20)
    """Most rounds of a talk."""
    swing: float = Field(0.25, ge=0, le=1)
    """A judge whose belief in an answer moved by more than this in the last round gets one more round; 1 for
    never.
    """
    turn_penalty: float = Field(0.05, ge=0, le=10)
    """Bits that every round after the first costs the judge, whose score is the log2 of its belief in the
    right answer.
    """

    judge_turn: Literal["in_order", "at_once"] = "in_order"
    """Whether the judge is asked for belief, remark and choice one after the other, each with those before it, or for
    all at once, as in arms that are older than this setting.
    """

    @model_validator(mode="after")
    def _rounds_fit(self) -> Self:
        if self.min_rounds > self.max_rounds:
            raise ValueError("min_rounds must not be more than max_rounds")
        return self

    @property
    def judge_takes_part(self) -> bool:
        """Return True: the judge opens every round."""
        return True

    @abstractmethod
    def turns(self, number: int) -> Sequence[tuple[str, ...]]:
        """Return the speakers of a round: those of one tuple at once, the tuples in turn."""

    def script(self, case: Case) -> Talk[Outcome]:
        """The judge opens round after round, until it may and does decide. Its belief then is its verdict."""
        said: Said = ()
        beliefs: list[Belief] = []
        for number in count(1):
            turn = yield from self._judges_turn(case, number, said)
            beliefs.append(turn.belief)
            if number > self.max_rounds or (turn.decides and not swung(beliefs, self.swing)):
                break
            said += turn.remark
            for seats in self.turns(number):
                asks = (self._asked(seat, number, said, turn.belief) for seat in seats)
                said += ((yield from self.spoken(case, *asks)),)
        end = yield from argued(case, said)
        measures = measured(beliefs, self.swing, self.turn_penalty)
        return replace(end, belief=beliefs[-1], beliefs=tuple(beliefs), measures=measures)

    def _judges_turn(self, case: Case, number: int, said: Said) -> Talk[JudgeTurn]:
        turn, seat, shows = f"r{number}", self.judge.name, paths(said)
        if number > self.max_rounds:
            return last_turn(case, turn, seat, shows)
        facts = TurnFacts(round=number, rounds=self.max_rounds, penalty=self.turn_penalty)
        asked = turn_of if self.judge_turn == "in_order" else turn_at_once
        return asked(case, turn, seat, shows, facts, may_stop=number > self.min_rounds)

    def _asked(self, seat: str, number: int, said: Said, belief: Belief) -> Ask:
        """Ask for a speech, with the judge's present belief."""
        credence = tuple(round(share, 4) for share in belief.p)
        facts = CredenceFacts(round=number, rounds=self.max_rounds, credence=credence)
        return self.speech_with(facts, seat, self.speech_kind, said)


class InteractiveDebate(TwoSided, Interactive):
    """Two debaters argue before a judge who asks, states its belief after every round, and ends the debate."""

    name = "interactive-debate"
    speech_kind = "debater"
    opposed = SIDES

    max_words: int = Field(125, ge=10, le=4000)
    """Most words that are accepted, about 750 characters. A longer speech is requested again, then cut at a
    sentence.
    """

    def seats(self) -> tuple[Seat, ...]:
        """Return two debaters and their checker."""
        return self.seated(*(arguing(name, "Debater", "debaters") for name in SIDES))

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return two assignments: from the second round on one debater speaks first, and the other has the
        seats exchanged.
        """
        return self.two_sided(*SIDES, exchanged=True)

    @property
    def reading_orders(self) -> int:
        """Return one order for a judge who reads the finished debate: the trial with the seats exchanged is
        the other.
        """
        return 1

    def speaks_first(self, argues: Mapping[str, int]) -> str | None:
        """Return the debater who speaks first from the second round on."""
        return SIDES[0]

    def turns(self, number: int) -> Sequence[tuple[str, ...]]:
        """Return both at once in the first round, then in turn."""
        return [SIDES] if number == 1 else [(side,) for side in SIDES]


class InteractiveConsultancy(Advised, Interactive):
    """One consultant argues for an assigned answer before a judge who asks, states its belief, and ends the
    talk.
    """

    name = "interactive-consultancy"
    speech_kind = "consultant"

    max_words: int = Field(250, ge=10, le=4000)
    """Most words that are accepted, about 1500 characters. A longer one is requested again, then cut at a
    sentence.
    """

    def turns(self, number: int) -> Sequence[tuple[str, ...]]:
        """Return the consultant."""
        return [(CONSULTANT.name,)]
