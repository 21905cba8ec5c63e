"""What a published figure is, as data, and how it is computed from imported verdicts."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal, TypeAlias
from uuid import UUID

from app.exchange.archive import Archive
from app.records.imported import JudgedReading
from app.statistics.published import calibration_error, cohens_kappa

Readings: TypeAlias = Sequence[JudgedReading]
Share: TypeAlias = tuple[int, int]
"""How many of how many."""


@dataclass(frozen=True, slots=True)
class Published:
    """One figure of a paper."""

    arms: tuple[str, ...]
    """The arms that it is about, taken together."""
    figure: str
    """Its name in `FIGURES`."""
    value: str
    """As printed: `54/61`, `2.72` or `94.5%`. A number counts as the same where it rounds to this."""
    judge: str = ""
    """The judge that it is about; empty for all together."""
    only: Literal["", "honest", "dishonest"] = ""
    """Only verdicts after advice for gold alone, or for another answer alone."""

    @property
    def about(self) -> str:
        """Return what it is about, in words."""
        return " ".join(filter(None, (" + ".join(self.arms), self.judge, self.only)))


@dataclass(frozen=True, slots=True)
class Edition:
    """A state of the released data, known by its number of verdicts."""

    title: str
    counts: Mapping[str, int]
    """Verdicts by arm or, where judges have figures, by judge; empty where they are not known."""
    rows: tuple[Published, ...]
    note: str = ""
    """What must be known of the figures."""


@dataclass(frozen=True, slots=True)
class PublishedStudy:
    """A study whose figures can be reproduced from data that were released."""

    name: str
    title: str
    source: str
    data: str
    """Where the data are, for people: nothing is fetched."""
    read: Callable[[Path], Archive]
    editions: tuple[Edition, ...]
    by: Literal["arm", "judge"] = "arm"
    """By what the verdicts of an edition are counted."""
    where: tuple[str, ...] = ()
    """The flags of the trials behind the figures."""

    def counted(self, readings: Readings) -> dict[str, int]:
        """Return the number of verdicts by arm or by judge."""
        found: dict[str, int] = {}
        for each in readings:
            key = each.arm if self.by == "arm" else each.judge
            found[key] = found.get(key, 0) + 1
        return found

    def edition(self, readings: Readings) -> tuple[Edition, bool]:
        """Return the edition that the data are, or the nearest one, and whether they are it."""
        found = self.counted(readings)

        def distance(edition: Edition) -> int:
            return sum(
                abs(edition.counts.get(key, 0) - found.get(key, 0)) for key in {*edition.counts, *found}
            )

        nearest = min(self.editions, key=distance)
        return nearest, not nearest.counts or distance(nearest) == 0


@dataclass(frozen=True, slots=True)
class Compared:
    """A published figure beside the same of the data."""

    published: Published
    here: str
    """As printed, with a digit more than the published one; a dash where it is not known."""
    off: float | None
    """The figure here less the published one; None where there is no number here."""
    matches: bool


def compared(row: Published, readings: Readings) -> Compared:
    """Compare a published figure with that of the data."""
    chosen = [each for each in readings if _is_about(row, each)]
    if not chosen:
        return Compared(row, "–", None, False)
    here = FIGURES[row.figure](chosen)
    if isinstance(here, tuple):
        right, count = map(int, row.value.split("/"))
        return Compared(
            row, f"{here[0]}/{here[1]}", here[0] / here[1] - right / count, here == (right, count)
        )
    if not math.isfinite(here):
        return Compared(row, "–" if math.isnan(here) else str(here), None, False)
    percent = row.value.endswith("%")
    text = row.value.removesuffix("%")
    digits = len(text.partition(".")[2])
    said, found = float(text), here * 100 if percent else here
    # Half a unit of the last digit, and what floats lose.
    matches = abs(found - said) <= 0.5 * 10**-digits + 1e-9
    return Compared(row, f"{found:.{digits + 1}f}{'%' * percent}", found - said, matches)


def _is_about(row: Published, each: JudgedReading) -> bool:
    if each.arm not in row.arms or row.judge not in ("", each.judge):
        return False
    honest = {"honest": True, "dishonest": False}.get(row.only)
    return honest is None or (each.argued is not None and (each.argued == each.gold) is honest)


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────────


def chosen_answer(each: JudgedReading) -> int | None:
    """Return the answer that is believed most; None where several are."""
    best = max(each.belief)
    return each.belief.index(best) if each.belief.count(best) == 1 else None


def _correct(readings: Readings) -> Share:
    """Return how many verdicts are right, the verdict as unit; a tie is wrong."""
    return sum(chosen_answer(each) == each.gold for each in readings), len(readings)


def _accuracy(readings: Readings) -> float:
    """Return the share of right verdicts, the mean over orders; a tie is wrong."""
    right, count = _correct(readings)
    return right / count


def _balanced_accuracy(readings: Readings) -> float:
    """Return the mean of the accuracy after advice for gold and that after advice for another answer."""
    sides = [
        [each for each in readings if each.argued is not None and (each.argued == each.gold) is honest]
        for honest in (True, False)
    ]
    return fmean(_accuracy(side) if side else math.nan for side in sides)


def _rounds(readings: Readings) -> float:
    found = [each.measures["rounds"] for each in readings if "rounds" in each.measures]
    return fmean(found) if found else math.nan


def _ece(readings: Readings) -> float:
    return calibration_error([each.p_gold for each in readings])


def _score(readings: Readings) -> float:
    """Return the mean of log2 of the belief in gold, less the cost of the judge's turns (Michael et al. 2023, eq. 1)."""
    return fmean(
        (math.log2(each.p_gold) if each.p_gold else -math.inf) - each.measures.get("penalty", 0.0)
        for each in readings
    )


def _both(readings: Readings) -> list[tuple[int | None, int | None]]:
    """Return the choices of the same judge on the same talk, in the order given and in the other."""
    by_talk: dict[tuple[UUID, str], dict[tuple[int, ...], int | None]] = defaultdict(dict)
    for each in readings:
        by_talk[each.talk, each.judge][each.order] = chosen_answer(each)
    return [(orders[min(orders)], orders[max(orders)]) for orders in by_talk.values() if len(orders) == 2]


def _same_verdict(readings: Readings) -> float:
    both = _both(readings)
    return sum(first == second for first, second in both) / len(both) if both else math.nan


def _kappa(readings: Readings) -> float:
    """Return κ of whether the first reply was chosen, as LLMBar's code has it: a reply without a winner did not choose it."""
    both = [(first == 0, second == 0) for first, second in _both(readings)]
    found = cohens_kappa(*zip(*both, strict=True)) if both else None
    return math.nan if found is None else found


FIGURES: Mapping[str, Callable[[Readings], float | Share]] = {
    "correct": _correct,
    "accuracy": _accuracy,
    "balanced accuracy": _balanced_accuracy,
    "rounds": _rounds,
    "ECE": _ece,
    "mean score": _score,
    "same verdict in both orders": _same_verdict,
    "κ between orders": _kappa,
}
"""The figures by the names under which rows ask for them."""
