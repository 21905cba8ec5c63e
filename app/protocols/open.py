"""Open consultancy and open debate: the advocate argues for the answer that it believes to be right."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

from app.protocols.combinators import arguing
from app.protocols.consultancy import Consultancy
from app.protocols.core import Ask, Assignment, Case, Metric, Outcome, PickFacts, Seat, Talk, one, picked
from app.protocols.debate import Debate

SOURCE = "Kenton et al. 2024 (arXiv 2407.04622), section 3; here the advocate chooses before it speaks"

SIDES = ("protagonist", "antagonist")


class OpenConsultancy(Consultancy):
    """A consultant reads the passage, chooses the answer that it finds right, and argues for it."""

    name = "open-consultancy"
    source = SOURCE
    metrics: ClassVar[tuple[Metric, ...]] = ()

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return one assignment: the consultant chooses its answer, so there is nothing to average over."""
        return (Assignment({}),)

    def script(self, case: Case) -> Talk[Outcome]:
        """The choice, then a consultancy for the chosen answer."""
        chosen = yield from choose(case, "consultant", "choice")
        return (yield from taking_sides(case, {"consultant": chosen}, super().script))


class OpenDebate(Debate):
    """One side, the protagonist, chooses the answer that it finds right. The antagonist gets the other, and
    they debate.
    """

    name = "open-debate"
    source = SOURCE
    chooses = SIDES[0]
    opposed = SIDES

    def seats(self) -> tuple[Seat, ...]:
        """Return two debaters, whom the judge cannot tell apart, and their checker."""
        return self.seated(*(arguing(name, "Debater", "debaters") for name in SIDES), *self.questioners)

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return one assignment. Where debaters speak in turn, or the judge asks, return a second with the answers
        listed the other way round.

        An attack adds none. The protagonist chooses its answer, and would choose the same again.
        """
        once = Assignment({})
        return (once,) if self.reading_orders == 2 else (once, Assignment({}, reverse=True))

    def sides(self, case: Case) -> tuple[str, ...]:
        """Return the debaters, where they speak in turn, in the order of their answers, which does not reveal
        who has chosen.
        """
        return SIDES if self.simultaneous else tuple(sorted(SIDES, key=case.argues.__getitem__))

    def speaks_first(self, argues: Mapping[str, int]) -> str | None:
        """Return the debater of the first answer, where they speak in turn."""
        return None if self.simultaneous or not argues else min(SIDES, key=argues.__getitem__)

    def script(self, case: Case) -> Talk[Outcome]:
        """The choice, then a debate for and against the chosen answer."""
        chosen = yield from choose(case, SIDES[0], "choice")
        sides = dict(zip(SIDES, (chosen, 1 - chosen), strict=True))
        return (yield from taking_sides(case, sides, super().script))


AN_ANSWER = PickFacts(options="answers")


def choose(case: Case, seat: str, kind: str, facts: PickFacts = AN_ANSWER) -> Talk[int]:
    """Return the answer that `seat` picks, after reading them in an order drawn by the trial's seed. `kind` is that of the
    prompt.
    """
    count = len(case.answers)
    order = tuple(case.rng().sample(range(count), count))
    ask = Ask("choice", seat, kind, "pick", order=order, facts=facts)
    return order[picked((yield from one(ask)))]


def taking_sides(
    case: Case, sides: Mapping[str, int], script: Callable[[Case], Talk[Outcome]]
) -> Talk[Outcome]:
    """Play `script` with sides that were chosen in the talk: all its asks and its outcome name them."""
    talk = script(replace(case, argues=sides))
    try:
        step = next(talk)
        while True:
            step = talk.send((yield [replace(ask, argues=sides) for ask in step]))
    except StopIteration as end:
        outcome: Outcome = end.value
        return replace(outcome, argues=sides)
