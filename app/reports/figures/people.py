"""Each person's figures, and the accuracy of people by a mixed model."""

from collections.abc import Sequence

from app.reports.figures.core import Figure, Names, Section
from app.reports.written import between, share
from app.shown_table import ABSENT, Column, Kind, ShownCell, ShownTable
from app.statistics.people import ModelCheck, PersonFigures, model_checks, of_people
from app.statistics.readings import Place


def _people(rows: Sequence[PersonFigures], names: Names) -> ShownTable[PersonFigures]:
    columns: tuple[Column[PersonFigures], ...] = (
        Column("arm", lambda row: names.names(row.arm, row.judge)[0], Kind.NAME),
        Column("judge", lambda row: row.judge, Kind.NAME, page_only=True),
        Column("person", lambda row: row.person, Kind.NAME),
        Column("accuracy", lambda row: share(row.accuracy)),
        Column("95% interval", lambda row: between(row.low, row.high, "{:.0%}")),
        Column("log score", lambda row: f"{row.log_score:.2f}"),
        Column("Brier", lambda row: f"{row.brier:.2f}"),
        Column("questions", lambda row: row.questions),
        Column("passages", lambda row: row.passages, page_only=True),
        Column("verdicts", lambda row: row.verdicts, page_only=True),
    )
    about = "Each under a pseudonym, the same in every report and export. Intervals are for new passages judged by the same person."
    return ShownTable("Each person", columns, rows, about=about)


MOST_OF_ONE = 0.3
"""Share of the verdicts under an arm from which on one person's are named, if it is also twice an even share."""


def _uneven(rows: Sequence[PersonFigures]) -> list[str]:
    """Return who gave so many of the verdicts under an arm that the figures rest on fewer people than their number says."""
    groups: dict[Place, list[PersonFigures]] = {}
    for item in rows:
        groups.setdefault((item.arm, item.judge), []).append(item)
    found = []
    for (arm, judge), people in groups.items():
        most = max(people, key=lambda item: item.verdicts)
        share = most.verdicts / sum(item.verdicts for item in people)
        if share >= MOST_OF_ONE and share > 2 / len(people):
            found.append(
                f"{arm}, {judge}: {most.person} gave {share:.0%} of the verdicts of these {len(people)} people, so that figures and "
                "contrasts rest on fewer people than that."
            )
    return found


def _models(rows: Sequence[ModelCheck], names: Names) -> ShownTable[ModelCheck]:
    columns: tuple[Column[ModelCheck], ...] = (
        Column("arm", lambda row: names.names(row.arm, row.judge)[0], Kind.NAME),
        Column("judge", lambda row: row.judge, Kind.NAME, page_only=True),
        Column("accuracy", lambda row: _fitted(row, share(row.fit.accuracy))),
        Column("95% interval", lambda row: _fitted(row, between(row.fit.low, row.fit.high, "{:.0%}"))),
        Column("spread of people", lambda row: _fitted(row, _logits(row.fit.judge_spread))),
        Column("spread of questions", lambda row: _fitted(row, _logits(row.fit.question_spread))),
    )
    about = (
        "A check by another method: a mixed logistic model with people and questions random. Its interval takes both spreads "
        "(standard deviations in logits) as known, and is too narrow with few people."
    )
    return ShownTable("People by a mixed model", columns, rows, about=about)


def _fitted(row: ModelCheck, text: str) -> ShownCell:
    return ShownCell(text, reason=f"There is no fit: {row.fit.reason}." if row.fit.reason else "")


def _logits(spread: float | None) -> str:
    return ABSENT if spread is None else f"{spread:.2f}"


PEOPLE = Figure(
    name="people",
    title="Each person",
    about="The accuracy and the scores of each person under each arm, by pseudonym.",
    source="Wilson 1927, with the variance clustered by passage (Bell and McCaffrey 2002).",
    needs="people who judge",
    rows=lambda evidence: of_people(evidence.readings),
    table=_people,
    words=_uneven,
    section=Section.AGREEMENT,
)
MIXED_MODELS = Figure(
    name="mixed_models",
    title="People by a mixed model",
    about="The accuracy of a new person on a new question, as a check by another method.",
    source="Bates et al. 2015: a logistic model with people and questions random, by the Laplace approximation.",
    needs="people who judge",
    rows=lambda evidence: model_checks(evidence.readings),
    table=_models,
    section=Section.AGREEMENT,
    slow=True,
)
