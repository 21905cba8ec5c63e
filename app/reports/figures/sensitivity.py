"""How much accuracy depends on what is counted: ties, the unit, conceded talks, and people who knew the story."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.reports.evidence import all_that_count, has_conceded, knew_story, left_out
from app.reports.figures.core import Evidence, Figure, Names, Section, place_columns
from app.reports.written import between, listed, share
from app.shown_table import Column, Kind, ShownTable
from app.statistics.accuracy import Cell, by_verdict, cells
from app.statistics.readings import Place, Readings

WITHOUT_CONCEDED = "without talks with a concession"
WITH_KNOWING = "with people who knew the story"
WITH_EXCLUDED = "with people who are excluded"
TIES_WRONG = "ties count as wrong"
BY_VERDICT = "each verdict counts alike"


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The accuracy of one judge under one arm, computed in another way."""

    arm: str
    judge: str
    variant: str
    accuracy: float
    low: float
    high: float
    reported: float
    """The accuracy of the report."""
    verdicts: int
    questions: int


def _rows(evidence: Evidence) -> list[Sensitivity]:
    """Return each arm and judge under each variant that can change its accuracy."""
    found: dict[Place, list[Sensitivity]] = {place: [] for place in evidence.cells}
    for variant, changed in _variants(evidence):
        for place, cell in changed.items():
            if place in found:
                found[place].append(
                    Sensitivity(
                        *place,
                        variant,
                        cell.accuracy,
                        cell.low,
                        cell.high,
                        evidence.cells[place].accuracy,
                        cell.verdicts,
                        cell.questions,
                    )
                )
    return [row for own in found.values() for row in own]


def _variants(evidence: Evidence) -> Iterator[tuple[str, Mapping[Place, Cell]]]:
    table, facts = evidence.counted.table, evidence.facts
    known, out = knew_story(facts), left_out(facts)
    conceded = has_conceded(facts)
    if (conceded & evidence.counted.kept).any():
        less = all_that_count(facts, table, ~known & ~out & ~conceded).readings
        touched = table.named(np.flatnonzero(conceded & evidence.counted.kept))
        yield WITHOUT_CONCEDED, _cells(less, touched)
    if (known & ~out).any():
        yield (
            WITH_KNOWING,
            _cells(all_that_count(facts, table, ~out).readings, table.named(np.flatnonzero(known & ~out))),
        )
    if out.any():
        yield (
            WITH_EXCLUDED,
            _cells(all_that_count(facts, table, ~known).readings, table.named(np.flatnonzero(out))),
        )
    tied = [place for place, cell in evidence.cells.items() if cell.ties and not cell.fixed]
    yield TIES_WRONG, _cells({place: ties_wrong(evidence.readings[place]) for place in tied}, tied)
    uneven = [
        place for place, own in evidence.readings.items() if _uneven(own) and not evidence.cells[place].fixed
    ]
    yield BY_VERDICT, {place: by_verdict(evidence.readings[place]) for place in uneven}


def _cells(
    readings: Mapping[Place, Readings], wanted: Sequence[Place] | Mapping[Place, int]
) -> dict[Place, Cell]:
    own = {place: readings[place] for place in wanted if place in readings}
    return {(cell.arm, cell.judge): cell for cell in cells(own)}


def ties_wrong(own: Readings) -> Readings:
    """Return readings in which a tie counts as wrong."""
    return replace(own, right=(own.right == 1).astype(np.float64))


def _uneven(own: Readings) -> bool:
    """Return whether questions have unlike numbers of verdicts, so that the unit matters."""
    counts = np.unique_counts(own.question).counts
    return bool((counts != counts[0]).any())


def _table(rows: Sequence[Sensitivity], names: Names) -> ShownTable[Sensitivity]:
    columns: tuple[Column[Sensitivity], ...] = (
        *place_columns(names),
        Column("if", lambda row: row.variant, Kind.WORDS),
        Column("accuracy", lambda row: share(row.accuracy)),
        Column("95% interval", lambda row: between(row.low, row.high, "{:.0%}")),
        Column("change", lambda row: f"{100 * (row.accuracy - row.reported):+.1f} points"),
        Column("verdicts", lambda row: row.verdicts, page_only=True),
        Column("questions", lambda row: row.questions, page_only=True),
    )
    about = (
        "The same accuracies, computed in another way where that can change them; the change is from the accuracy above. "
        "`arena report` recomputes the whole report with --ties wrong, --unit verdict, --conceded left-out or --excluded kept."
    )
    return ShownTable("Sensitivity of accuracy", columns, rows, about=about)


_IN_METHODS = {
    WITHOUT_CONCEDED: "leaving out talks with a concession",
    WITH_KNOWING: "keeping people who knew the story",
    WITH_EXCLUDED: "keeping excluded people",
    TIES_WRONG: "counting ties as wrong",
    BY_VERDICT: "counting each verdict alike",
}


def _checked(rows: Sequence[Sensitivity]) -> str:
    """Return the sentence for the methods section: it names the variants that can change something."""
    there = {row.variant for row in rows}
    said = [words for variant, words in _IN_METHODS.items() if variant in there]
    return f"The sensitivity of accuracies was checked against {listed(said)}."


SENSITIVITY = Figure(
    name="sensitivity",
    title="Sensitivity of accuracy",
    about="The accuracy of each judge without talks with a concession, with people who knew the story, with excluded people, with ties as wrong, and by verdict.",
    source="Intervals as for accuracy.",
    needs="concessions, people who knew the story or are excluded, ties, or questions with unlike numbers of verdicts",
    rows=_rows,
    table=_table,
    section=Section.ACCURACY,
    methods=_checked,
    slow=True,
)
