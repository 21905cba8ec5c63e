"""Prover and verifier: one argument, for the right answer or a wrong one, and a verifier who must distinguish
them.
"""

from pydantic import Field

from app.protocols.combinators import Argued, advocate, argued, one_sided
from app.protocols.core import Assignment, Case, Metric, Outcome, Seat, Talk


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
            "Completeness: mean acceptance of helpful provers",
            "acceptance",
            "mean",
            "acceptance",
            argued="gold",
        ),
        Metric(
            "soundness",
            "Soundness: 1 less mean acceptance of sneaky provers",
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
    )

    target_words: int = Field(120, ge=10, le=2000)
    """Words that the prompt asks the argument to have."""

    examples: int = Field(0, ge=0, le=32)
    """Number of arguments for wrong answers, accepted by earlier verifiers on other passages, that the judge
    sees first. They come from the file named `examples` under `prompts`.
    """

    def seats(self) -> tuple[Seat, ...]:
        """Return the prover, helpful where its answer is right and sneaky where it is wrong, and its checker."""
        return self.seated(advocate("prover", "Prover", "provers"))

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return one assignment per answer. Helpful and sneaky provers come equally often, and no seat learns
        which one it is.
        """
        return one_sided("prover", answers)

    def script(self, case: Case) -> Talk[Outcome]:
        """One argument. The verifier's belief in its answer is the acceptance."""
        argument = yield from self.spoken(case, self.speech("prover", "prover", (), number=1, rounds=1))
        return (yield from argued(case, (argument,)))
