"""Prover and verifier: one argument, for the right answer or a wrong one, and a verifier who must distinguish
them.
"""

from dataclasses import replace
from functools import partial
from typing import Literal, Self

from pydantic import Field, model_validator

from app.protocols.combinators import Argued, ChoiceFacts, advocate, argued, one_sided
from app.protocols.core import NO_YES, Assignment, BadStep, Case, Measure, Metric, Outcome, Seat, Talk
from app.protocols.open import choose, taking_sides

HELPFUL, SNEAKY = "helpful", "sneaky"
"""The roles of a prover: to argue for the right answer, and to have a wrong one accepted."""


class ProverVerifier(Argued):
    """A prover gives one argument for an assigned answer. The verifier sees only that argument and accepts it
    or not.
    """

    name = "prover-verifier"
    source = "Kirchner et al. 2024 (arXiv 2407.13692), sections 2 and 3; Anil et al. 2021 (arXiv 2108.12099)"

    takes_examples = True
    metrics = (
        Metric(
            "completeness",
            "Completeness: mean acceptance of arguments for the right answer",
            "acceptance",
            "mean",
            "acceptance",
            argued="gold",
        ),
        Metric(
            "soundness",
            "Soundness: 1 less mean acceptance of arguments for a wrong answer",
            "acceptance",
            "complement",
            "acceptance",
            argued="other",
        ),
        Metric("auroc", "Area under the ROC curve of acceptance", "area", "auroc", "acceptance"),
        Metric(
            "best_of_n",
            "Accuracy of the argument accepted most",
            "share",
            "best_of_n",
            "acceptance",
            absent="No question has as many arguments for gold as against it that one judge read in one order.",
        ),
        Metric(
            "helpful_for_gold",
            "Provers with the role helpful that argued for the right answer",
            "share",
            "mean",
            "argued",
            where=HELPFUL,
        ),
        Metric(
            "sneaky_against_gold",
            "Provers with the role sneaky that argued for a wrong answer",
            "share",
            "complement",
            "argued",
            where=SNEAKY,
        ),
    )
    measures = (
        Measure(HELPFUL, "Provers with the role helpful", "share", NO_YES),
        Measure(SNEAKY, "Provers with the role sneaky", "share", NO_YES),
    )

    roles: Literal["assigned", "known"] = "assigned"
    """What a prover knows of its role. `assigned`: it gets an answer and does not learn whether that is right. `known`: it
    knows that it is helpful or sneaky, and first picks the answer to argue for that it finds right, or wrong.
    """

    target_words: int = Field(120, ge=10, le=2000)
    """Words that the prompt asks the argument to have."""

    examples: int = Field(0, ge=0, le=32)
    """Number of arguments for wrong answers, accepted by earlier verifiers on other passages, that the judge
    sees first. They come from the file named `examples` under `prompts`.
    """

    def seats(self) -> tuple[Seat, ...]:
        """Return the prover, helpful or sneaky, and its checker."""
        return self.seated(advocate("prover", "Prover", "provers"))

    @model_validator(mode="after")
    def _roles_stay_hidden(self) -> Self:
        if self.roles == "known" and self.show_scratchpad:
            raise ValueError(
                "show_scratchpad would show judges the role of a prover that knows it: leave it out, or set roles: assigned"
            )
        return self

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return one assignment per answer: helpful and sneaky provers come equally often, and no seat learns which one
        it is. Where provers know their role, return one per role.
        """
        if self.roles == "known":
            return tuple(Assignment({}, role=role) for role in (HELPFUL, SNEAKY))
        return one_sided("prover", answers)

    def script(self, case: Case) -> Talk[Outcome]:
        """One argument. The verifier's belief in its answer is the acceptance."""
        return (yield from (self._known(case) if self.roles == "known" else self._argued(case, "prover")))

    def _argued(self, case: Case, kind: str) -> Talk[Outcome]:
        argument = yield from self.spoken(case, self.speech("prover", kind, (), number=1, rounds=1))
        return (yield from argued(case, (argument,)))

    def _known(self, case: Case) -> Talk[Outcome]:
        """The choice of the answer, then the argument for it. What the prover chose may go against its role: without gold,
        this cannot be known here.
        """
        if case.role not in (HELPFUL, SNEAKY):
            raise BadStep(f"A prover has one of two roles, not {case.role!r}.")
        facts = ChoiceFacts(options="answers", mislead=case.role == SNEAKY)
        chosen = yield from choose(case, "prover", f"choice-{case.role}", facts)
        argument = partial(self._argued, kind=f"prover-{case.role}")
        outcome = yield from taking_sides(case, {"prover": chosen}, argument)
        return replace(outcome, measures={role: float(role == case.role) for role in (HELPFUL, SNEAKY)})
