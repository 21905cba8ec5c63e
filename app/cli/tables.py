"""Tables and lines that the command line prints."""

from rich.table import Table

from app.experiments.check import Findings, Tally
from app.experiments.estimate import ExperimentEstimate, PeopleEstimate, PowerEstimate


def findings_table(findings: Findings) -> Table:
    """A pre-flight's findings."""
    table = Table(title="Pre-flight", title_style="bold")
    table.add_column("participant", no_wrap=True)
    for column in (
        "speeches",
        "in length",
        "quotes verified",
        "concessions",
        "refusals",
        "beliefs",
        "label mass",
        "flagged",
    ):
        table.add_column(column, justify="right")
    for name, tally in findings.participants.items():
        table.add_row(name, *_tally(tally))
    return table


def _tally(tally: Tally) -> list[str]:
    methods = f" ({', '.join(sorted(tally.methods))})" if tally.methods else ""
    mass = sum(tally.masses) / len(tally.masses) if tally.masses else None
    return [
        str(tally.speeches),
        _share(tally.in_length, tally.speeches),
        _share(tally.verified, tally.quotes),
        _share(tally.concessions, tally.stances),
        _share(tally.refusals, tally.stances),
        f"{tally.beliefs}{methods}",
        "–" if mass is None else f"{mass:.3f}",
        _share(tally.flagged, tally.beliefs),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "–"


def estimate_lines(found: ExperimentEstimate) -> list[str]:
    """What it can show, how many people it needs, and what was assumed."""
    people = [people_needed(found.people)] if found.people else []
    return [power_of(found.power), *people, "Assumed:", *(f"- {line}" for line in found.assumptions)]


def power_of(power: PowerEstimate) -> str:
    """What a comparison can show, in a sentence."""
    where = f"{power.questions:,} questions on {power.passages:,} passages"
    if power.difference is None:
        return f"{where} are too few to show any difference between two arms."
    return (
        f"{where} can show a difference of {power.difference:.1%} or more between two arms ({power.method})."
    )


def people_needed(people: PeopleEstimate) -> str:
    """How many people it needs, in a sentence or two."""
    why = (
        f"{people.overlap} for each of the {people.per_passage:,} trials on one passage, since no person is shown two"
        if people.once
        else f"{people.overlap} different ones for each trial"
    )
    return (
        f"People: at least {people.at_least:,} ({why}); {people.verdicts:,} verdicts in about {people.hours:,.1f} hours. "
        f"So many would judge {round(people.each, 1):g} trials each, in about {people.hours_each:.1f} hours."
    )
