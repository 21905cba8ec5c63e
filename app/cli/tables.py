"""Tables and lines that the command line prints."""

from app.experiments.estimate import ExperimentEstimate, PeopleEstimate, PowerEstimate


def estimate_lines(found: ExperimentEstimate) -> list[str]:
    """What it can show, how many people it needs, and what was assumed."""
    people = [people_needed(found.people)] if found.people else []
    return [
        *found.warnings,
        power_of(found.power),
        *people,
        "Assumed:",
        *(f"- {line}" for line in found.assumptions),
    ]


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
