"""What a reader of a report chooses: the unit of accuracy, what ties count, what is left out, and further contrasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.errors import UserError


class Unit(StrEnum):
    """What accuracies and scores are averaged over."""

    QUESTION = "question"
    VERDICT = "verdict"


class Ties(StrEnum):
    """What a choice between answers that are believed alike counts."""

    HALF = "half"
    WRONG = "wrong"


class Conceded(StrEnum):
    """Whether talks count in which a speech conceded."""

    KEPT = "kept"
    LEFT_OUT = "left-out"


class Excluded(StrEnum):
    """Whether people count whom the rules of their study, or a researcher, leave out."""

    LEFT_OUT = "left-out"
    KEPT = "kept"


class Replaced(StrEnum):
    """Whether talks count in which a participant went on for a person who left."""

    KEPT = "kept"
    LEFT_OUT = "left-out"


@dataclass(frozen=True, slots=True)
class Choices:
    """How a report is computed. Without choices it is the one that the rules of figures describe."""

    unit: Unit = Unit.QUESTION
    ties: Ties = Ties.HALF
    conceded: Conceded = Conceded.KEPT
    contrasts: tuple[tuple[str, str], ...] = ()
    """Pairs of arms to compare beside those that the file names."""
    every_contrast: bool = False
    """Whether all pairs of arms are compared."""
    excluded: Excluded = Excluded.LEFT_OUT
    replaced: Replaced = Replaced.KEPT

    @property
    def recomputed(self) -> bool:
        """Return whether any figure is another than without choices."""
        return self != Choices(contrasts=self.contrasts, every_contrast=self.every_contrast)

    @property
    def tie(self) -> str:
        """Return what a tie counts."""
        return "a tie counts as wrong" if self.ties is Ties.WRONG else "a tie of k answers counts 1/k"

    @property
    def averaged(self) -> str:
        """Return what is averaged, and how it is clustered."""
        if self.unit is Unit.VERDICT:
            return "verdict, each counting alike, clustered by passage, and by person where people judge; contrasts by question"
        return "question, clustered by passage, and by person where people judge"

    @property
    def sentences(self) -> list[str]:
        """Return what was chosen, to be read before the figures; nothing without choices."""
        said = [
            "each verdict counts alike (not each question)" if self.unit is Unit.VERDICT else "",
            "ties count as wrong (not as a share)" if self.ties is Ties.WRONG else "",
            "talks with a concession are left out" if self.conceded is Conceded.LEFT_OUT else "",
            "excluded people count (they are not left out)" if self.excluded is Excluded.KEPT else "",
            "talks in which a person was replaced are left out" if self.replaced is Replaced.LEFT_OUT else "",
        ]
        chosen = "; ".join(filter(None, said))
        return [f"Recomputed as the reader chose, not as by default: {chosen}."] if chosen else []

    def as_json(self) -> dict[str, Any]:
        """Return the choices for the JSON report."""
        return {
            "unit": self.unit.value,
            "ties": self.ties.value,
            "conceded_talks": self.conceded.value,
            "excluded_people": self.excluded.value,
            "replaced_talks": self.replaced.value,
            "contrasts": "all" if self.every_contrast else [list(pair) for pair in self.contrasts],
        }


DEFAULT = Choices()
"""No choice."""
MOST = 8
"""Experiments that are compared at once."""


def parsed_contrasts(given: Sequence[str]) -> tuple[tuple[tuple[str, str], ...], bool]:
    """Return the pairs of arms in texts such as `debate:consultancy`, and whether `all` is among them. Raise UserError."""
    pairs = []
    for text in given:
        first, colon, second = text.partition(":")
        if text == "all":
            continue
        if not (first and colon and second) or first == second:
            raise UserError(
                f"--contrast {text}: name two different arms with a colon, such as debate:consultancy, or all."
            )
        pairs.append((first, second))
    return tuple(dict.fromkeys(pairs)), "all" in given


def check_arms(choices: Choices, arms: Sequence[str]) -> None:
    """Raise UserError where a contrast names an arm that there is not."""
    for pair in choices.contrasts:
        for name in pair:
            if name not in arms:
                raise UserError(f"There is no arm {name}: choose from {', '.join(arms)}.")


def check_number(names: Sequence[str]) -> None:
    """Raise UserError where there are too few or too many experiments to compare."""
    if not 2 <= len(set(names)) <= MOST:
        raise UserError(f"Name two to {MOST} different experiments to compare.")
