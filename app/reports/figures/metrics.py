"""The metrics that protocols declare, on the verdicts behind accuracy; and the measures of their talks."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from app.protocols import PROTOCOLS
from app.protocols.core import Protocol
from app.reports.evidence import knew_story, left_out
from app.reports.figures.core import Evidence, Figure, Names, Section, place_columns
from app.reports.written import shown_figure
from app.shown_table import Column, Kind, ShownTable
from app.statistics.intervals import IntArray
from app.statistics.metrics import Measured, measures, metrics
from app.statistics.readings import Marks, TrialMeasures


def _metrics(evidence: Evidence) -> list[Measured]:
    """Return the metrics of every arm and judge, from the verdicts behind its accuracy."""
    facts, counted, talks = evidence.facts, evidence.counted, evidence.talks
    rules = {name: PROTOCOLS[arm.protocol] for name, arm in facts.arms.items()}
    argued = talks.answers(lambda arm, argues: _argued(argues, rules[arm]))
    plays = counted.table.frame["play"].to_numpy()
    marked = np.isin(plays, facts.marks["play"].to_numpy()) & counted.kept
    marking = {arm for arm, _ in counted.table.named(np.flatnonzero(marked))}
    listed = dict.fromkeys([*((judge.arm, judge.label) for judge in facts.judges), *counted.places])
    found = []
    for arm, judge in listed:
        if own := evidence.readings.get((arm, judge)):
            # Where judges mark, a critique without a point leaves nothing to accept: it caught nothing.
            marks = _marks(facts.marks, plays[own.rows]) if arm in marking else None
            items = talks.measured(own, counted.table, argued, marks)
            found += metrics(arm, rules[arm], judge, items)
    return found


def _marks(marks: pl.DataFrame, plays: IntArray) -> Marks:
    """Return the marks of readings, given the judging of each."""
    readings = pl.DataFrame({"play": plays}).with_row_index("reading")
    own = readings.join(marks, on="play", how="inner", maintain_order="left")
    return Marks(
        own["reading"].cast(pl.Int64).to_numpy(), own["point"].to_numpy(), own["accepted"].to_numpy()
    )


def _argued(argues: Mapping[str, int], rules: type[Protocol]) -> int | None:
    """Return the answer that was argued for alone, or in an open debate the answer of the seat that chose."""
    sides = set(argues.values())
    return argues.get(rules.chooses, sides.pop() if len(sides) == 1 else None)


def _measures(evidence: Evidence) -> list[Measured]:
    rules = {name: PROTOCOLS[arm.protocol] for name, arm in evidence.facts.arms.items()}
    return measures(_of_talks(evidence), rules)


def _of_talks(evidence: Evidence) -> Iterator[TrialMeasures]:
    """Yield the measures of the talks without a judging person who knows the story or is excluded."""
    facts = evidence.facts
    out = pl.Series(knew_story(facts) | left_out(facts))
    known = set(facts.verdicts.filter(out & ~facts.verdicts["reads"])["talk"].to_list())
    columns = ("arm", "judge", "family", "question", "assignment", "replicate")
    for talk, place in enumerate(facts.talks.select(columns).iter_rows()):
        if talk not in known:
            arm, judge, family, question, assignment, replicate = place
            own = evidence.talks.measures[talk]
            yield TrialMeasures(arm, judge, family, question, assignment, replicate, own)


def _table(rows: Sequence[Measured], names: Names, title: str, about: str) -> ShownTable[Measured]:
    columns: tuple[Column[Measured], ...] = (
        *place_columns(names),
        Column("figure", lambda row: row.title, Kind.WORDS),
        Column("value", lambda row: shown_figure(row)[0]),
        Column("95% interval", lambda row: shown_figure(row)[1]),
        Column("questions", lambda row: row.questions),
        Column("passages", lambda row: row.passages, page_only=True),
    )
    return ShownTable(title, columns, rows, about=about)


def _words(rows: Sequence[Measured]) -> list[str]:
    """Return why figures are absent."""
    arms: dict[tuple[str, str], dict[str, None]] = {}
    for item in rows:
        if item.reason:
            arms.setdefault((item.title, item.reason), {})[item.arm] = None
    return [
        f"{', '.join(own)}, {title[0].lower()}{title[1:]}: {reason}" for (title, reason), own in arms.items()
    ]


_OF_PROTOCOLS = "What each protocol is measured by beside accuracy, on the same verdicts."
_OF_TALKS = "What was counted in the talks themselves. It does not depend on the judge."

METRICS = Figure(
    name="metrics",
    title="Metrics of the protocols",
    about=_OF_PROTOCOLS,
    source="The protocols' own papers: docs/protocols.",
    needs="a protocol that declares metrics, or in which one answer is argued for",
    rows=_metrics,
    table=lambda rows, names: _table(rows, names, "Metrics of the protocols", _OF_PROTOCOLS),
    words=_words,
    section=Section.ACCURACY,
    methods="Metrics of protocols are averaged as accuracy is, on the same verdicts.",
)
MEASURES = Figure(
    name="measures",
    title="Measures of the talks",
    about=_OF_TALKS,
    source="The protocols' own papers: docs/protocols.",
    needs="a finished talk of a protocol with measures",
    rows=_measures,
    table=lambda rows, names: _table(rows, names, "Measures of the talks", _OF_TALKS),
    section=Section.TALKS,
    methods="Measures of talks are averaged by question, with intervals clustered by passage.",
)
