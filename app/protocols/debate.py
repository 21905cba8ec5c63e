"""Debate: two sides with the passage argue for opposite answers before a judge who cannot read it."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import Field

from app.protocols.combinators import Questioned, RoundFacts, TwoSided, arguing
from app.protocols.core import Ask, Assignment, Case, Limits, Outcome, Said, Seat, Talk, paths

SIDES = ("debater_a", "debater_b")


class Debate(TwoSided, Questioned):
    """A fixed number of rounds, then the judge reads the transcript once. It may also ask between rounds."""

    name = "debate"
    source = (
        "Khan et al. 2024 (arXiv 2402.06782), section 3 and appendix D; Irving et al. 2018 (arXiv 1805.00899)"
    )

    opposed = SIDES

    rounds: int = Field(3, ge=1, le=20)
    """Number of speeches of each debater."""
    simultaneous: bool = True
    """Whether both speak at once in every round, unseen by each other, or in turn."""
    cross_examination: bool = False
    """Whether the debaters ask each other a question after every round but the last, and answer it."""

    def seats(self) -> tuple[Seat, ...]:
        """Return two debaters, their checker and, where one asks in place of the judge, the questioner."""
        return self.seated(*(arguing(name, "Debater", "debaters") for name in SIDES), *self.questioners)

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return one assignment where both speak at once before judges who only read. Otherwise return a second
        with the seats exchanged.
        """
        return self.two_sided(*SIDES, exchanged=self.reading_orders == 1)

    @property
    def reading_orders(self) -> int:
        """Return two where both speak at once before judges who only read. Otherwise return one, because the trial
        with the seats exchanged is the other.
        """
        return 2 if self.simultaneous and not self.judge_takes_part else 1

    def sides(self, case: Case) -> tuple[str, ...]:
        """Return the debaters in their speaking order, where they speak in turn."""
        return SIDES

    def speaks_first(self, argues: Mapping[str, int]) -> str | None:
        """Return the first debater, where they speak in turn."""
        return None if self.simultaneous else SIDES[0]

    def script(self, case: Case) -> Talk[Outcome]:
        """In each round both are asked at once, or the second sees the first's speech."""
        said: Said = ()
        sides = self.sides(case)
        turns = [sides] if self.simultaneous else [(side,) for side in sides]
        for number in range(1, self.rounds + 1):
            asked = True if self.questions != "none" and number > 1 else None
            facts = RoundFacts(round=number, rounds=self.rounds, asked=asked)
            for speakers in turns:
                asks = (self.speech_with(facts, side, "debater", said) for side in speakers)
                said += ((yield from self.spoken(case, *asks)),)
            if number < self.rounds:
                said += yield from self._cross_examined(number, said)
                said += yield from self.question(number, said)
        return (yield from self.ended(case, said))

    def _cross_examined(self, number: int, said: Said) -> Talk[Said]:
        """Each debater asks the other something, then each answers, both at once."""
        if not self.cross_examination:
            return ()
        asked = yield [
            Ask(f"r{number}/{side}/asks", side, "cross-question", "note", paths(said), limits=_CROSS_QUESTION)
            for side in self.opposed
        ]
        questions = (tuple(asked),)
        limits = replace(_CROSS_ANSWER, quote_characters=self.quote_characters)
        shows = paths(said + questions)
        answers = yield [
            Ask(f"r{number}/{side}/answers", side, "cross-answer", "speech", shows, limits=limits)
            for side in self.opposed
        ]
        return *questions, tuple(answers)


_CROSS_QUESTION = Limits(target_words=30, max_words=60)
_CROSS_ANSWER = Limits(target_words=60, max_words=90)
