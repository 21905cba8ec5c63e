"""Hybrid routing: the accuracy if the least confident part of a model's verdicts goes to people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import polars as pl

from app.participants.base import PEOPLE
from app.records.judging_costs import JudgingCost
from app.reports.charts import PlainRow, colour_and_shape, panels
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section
from app.reports.ratings import Panel, panel_of
from app.reports.written import between, share
from app.shown_table import ABSENT, Column, Kind, ShownCell, ShownTable
from app.statistics.intervals import Estimate
from app.statistics.readings import dense
from app.statistics.routing import FEWEST_PASSAGES, Talks, bands, curve, gain, recommended
from app.statistics.seeds import generator

SHARES = np.linspace(0.0, 1.0, 21)
"""Shares of talks at which the curve is computed."""
MOST_MODELS = 8
"""Most models whose curve is drawn: those with the most talks in common with people."""
ALL_ARMS = "all arms"
FEW = f"fewer than {FEWEST_PASSAGES} passages, so that no share is recommended"


@dataclass(frozen=True, slots=True)
class Point:
    """One share of talks that goes to people."""

    share: float
    accuracy: float
    low: float | None
    high: float | None
    random: float
    """The accuracy if as many talks, drawn at random, go to people."""


@dataclass(frozen=True, slots=True)
class Margin:
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Routing:
    """What routing the least confident verdicts of one model to people gives, on the talks that both judged."""

    arm: str | None
    """None for all arms together."""
    judge: str
    talks: int
    passages: int
    people: int
    model_accuracy: float
    people_accuracy: float
    points: Sequence[Point]
    gain: float
    """Mean height of the curve above random routing."""
    gain_low: float | None
    gain_high: float | None
    share: float | None
    """The recommended share of talks for people."""
    accuracy: Margin | None
    """Accuracy at recommended shares on passages on which they were not chosen."""
    over_model: Margin | None
    """That less the model's accuracy."""
    over_people: Margin | None
    minutes: float | None
    """Median active minutes of a person per talk."""
    calls: float | None
    """Calls of the model per talk, in all its orders."""
    tokens: float | None
    reason: str | None = None
    """Reason why no share is recommended."""

    @property
    def cost(self) -> str:
        """Return what a hundred talks cost at the recommended share."""
        parts = [f"{self.calls * 100:,.0f} calls"] if self.calls else []
        parts += [f"{self.tokens * 100:,.0f} tokens"] if self.tokens else []
        if self.minutes and self.share is not None:
            parts.append(f"{self.minutes * self.share * 100:,.0f} minutes of people")
        return ", ".join(parts)


def routings(
    whole: Panel,
    arms: Sequence[str],
    costs: Mapping[str, JudgingCost],
    minutes: Mapping[str | None, float],
    *,
    seed: int,
) -> list[Routing]:
    """Return every model beside people: over all arms, then by arm."""
    if PEOPLE not in whole.judges or not whole.models:
        return []
    by_people = whole.of_judge(PEOPLE)
    there = np.bincount(whole.ratings.talk[by_people], minlength=int(whole.ratings.talk.max()) + 1) > 0
    both = whole.where(there[whole.ratings.talk])
    counts = {name: int(both.of_judge(name).sum()) for name in both.models}
    judges = sorted((name for name in counts if counts[name]), key=lambda name: (-counts[name], name))
    own = [arm for arm in arms if (both.of_arm(arm) & ~both.of_judge(PEOPLE)).any()]
    parts: list[tuple[str | None, Panel]] = [(arm, both.where(both.of_arm(arm))) for arm in own]
    if len(parts) > 1:
        parts.insert(0, (None, both))
    return [
        row
        for arm, part in parts
        for judge in sorted(judges[:MOST_MODELS])
        for row in _routing(arm, judge, part, costs, minutes, seed)
    ]


def _talks(part: Panel, judge: str) -> Talks | None:
    """Return the talks that a model and people judged."""
    own = part.of_judge(judge)
    if not own.any():
        return None
    common = np.bincount(part.ratings.talk[own], minlength=int(part.ratings.talk.max()) + 1) > 0
    said = part.of_judge(PEOPLE) & common[part.ratings.talk]
    ratings = part.ratings
    return Talks(
        confidence=np.round(part.belief[own].max(axis=1), 9),
        model=ratings.right[own],
        passage=ratings.passage[own],
        talk=dense(ratings.talk[said]),
        person=ratings.rater[said],
        right=ratings.right[said],
    )


def _routing(
    arm: str | None,
    judge: str,
    part: Panel,
    costs: Mapping[str, JudgingCost],
    minutes: Mapping[str | None, float],
    seed: int,
) -> Iterator[Routing]:
    talks = _talks(part, judge)
    if talks is None:
        return
    line = curve(talks, SHARES)
    names = ("routing", seed, arm or "", judge)
    limits = bands(talks, SHARES, generator(*names))
    chosen = recommended(talks, SHARES, generator(*names, "folds"))
    model = costs.get(judge)
    random = line[0] + (line[-1] - line[0]) * SHARES
    ends = [(None, None)] * SHARES.size if limits is None else list(zip(limits.low, limits.high, strict=True))
    yield Routing(
        arm,
        judge,
        talks=talks.model.size,
        passages=np.unique_values(talks.passage).size,
        people=np.unique_values(talks.person).size,
        model_accuracy=float(line[0]),
        people_accuracy=float(line[-1]),
        points=[
            _point(float(at), float(value), low, high, float(straight))
            for at, value, (low, high), straight in zip(SHARES, line, ends, random, strict=True)
        ],
        gain=gain(line, SHARES),
        gain_low=limits.gain[0] if limits else None,
        gain_high=limits.gain[1] if limits else None,
        share=chosen.share if chosen else None,
        accuracy=_margin(chosen.accuracy) if chosen else None,
        over_model=_margin(chosen.over_model) if chosen else None,
        over_people=_margin(chosen.over_people) if chosen else None,
        minutes=minutes.get(arm),
        calls=model.calls if model else None,
        tokens=model.tokens if model else None,
        reason=None if chosen else FEW,
    )


def _point(share: float, value: float, low: float | None, high: float | None, straight: float) -> Point:
    if low is None or high is None or np.isnan(low) or np.isnan(high):
        return Point(share, value, None, None, straight)
    return Point(share, value, min(float(low), value), max(float(high), value), straight)


def _margin(found: Estimate) -> Margin:
    return Margin(found.value, found.low, found.high)


def _table(rows: Sequence[Routing], names: Names) -> ShownTable[Routing]:
    some = next((row.arm for row in rows if row.arm), "")

    def why(row: Routing, text: str) -> ShownCell:
        return ShownCell(text, reason=f"None: {row.reason}." if row.reason else "")

    def points(margin: Margin | None) -> str:
        if margin is None:
            return ABSENT
        ends = between(100 * margin.low, 100 * margin.high, "{:+.0f}")
        return f"{100 * margin.value:+.1f} ({ends})"

    columns: tuple[Column[Routing], ...] = (
        Column("arm", lambda row: names.names(row.arm, None)[0] if row.arm else ALL_ARMS, Kind.NAME),
        Column("model", lambda row: names.names(row.arm or some, row.judge)[1], Kind.NAME),
        Column("model alone", lambda row: share(row.model_accuracy)),
        Column("people alone", lambda row: share(row.people_accuracy)),
        Column("to people", lambda row: why(row, ABSENT if row.share is None else f"{row.share:.0%}")),
        Column("both", lambda row: why(row, share(row.accuracy.value) if row.accuracy else ABSENT)),
        Column("less model", lambda row: why(row, points(row.over_model))),
        Column("less people", lambda row: why(row, points(row.over_people)), page_only=True),
        Column(
            "above random",
            lambda row: ShownCell(
                f"{100 * row.gain:+.1f}",
                small=between(_hundred(row.gain_low), _hundred(row.gain_high), "{:+.1f}"),
            ),
        ),
        Column("talks", lambda row: row.talks),
        Column("100 talks cost", lambda row: row.cost or ABSENT, Kind.WORDS, page_only=True),
    )
    about = (
        "The least confident verdicts of a model go to people. To people: the smallest share with the highest accuracy; both: the accuracy "
        "of shares chosen so, on passages on which they were not chosen, and that less the model's or the people's alone, in points. Above "
        "random: mean height of the curve above routing as many talks at random."
    )
    return ShownTable("Hybrid routing", columns, rows, about=about)


def _hundred(value: float | None) -> float | None:
    return None if value is None else 100 * value


# ── chart ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _chart_rows(rows: Sequence[Routing], names: Names) -> list[PlainRow]:
    some = next((row.arm for row in rows if row.arm), "")
    return [
        {
            "arm": names.names(row.arm, None)[0] if row.arm else ALL_ARMS,
            "judge": names.names(row.arm or some, row.judge)[1],
            "share": point.share,
            "accuracy": point.accuracy,
            "low": point.low,
            "high": point.high,
            "random": point.random,
        }
        for row in rows
        for point in row.points
    ]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    marks = colour_and_shape(rows, "judge", width)
    percent = alt.Axis(format="%")
    lowest = min(row["accuracy"] if row["low"] is None else row["low"] for row in rows)
    scale = alt.Scale(domain=[max(0.0, np.floor(lowest * 10) / 10), 1])
    base = alt.Chart().encode(x=alt.X("share:Q", title="share of talks for people", axis=percent))
    up = alt.Y("accuracy:Q", title="accuracy", axis=percent, scale=scale)
    band = base.mark_area(opacity=0.15).encode(
        y=alt.Y("low:Q", scale=scale, title="accuracy"), y2="high:Q", color=marks["color"]
    )
    line = base.mark_line(strokeWidth=2).encode(y=up, color=marks["color"])
    straight = base.mark_line(strokeDash=[4, 4], strokeWidth=1).encode(
        y=alt.Y("random:Q", scale=scale, title="accuracy"), color=marks["color"]
    )
    return panels([band, straight, line], rows, "arm", width, 220)


def _rows(evidence: Evidence) -> list[Routing]:
    facts = evidence.facts
    return routings(panel_of(evidence), list(facts.arms), facts.costs, _minutes(evidence), seed=evidence.seed)


def _minutes(evidence: Evidence) -> dict[str | None, float]:
    """Return the median of the minutes that people worked on a verdict, of all arms (None) and by arm; none where no time is known."""
    rows = evidence.counted.table.frame.filter(pl.Series(evidence.counted.kept)).filter(
        pl.col("person") != ""
    )
    timed = (
        rows.select("arm", "play")
        .unique()
        .join(evidence.facts.efforts, on="play")
        .filter(pl.col("seconds") > 0)
    )
    median = (pl.col("seconds").median() / 60).alias("minutes")
    found: dict[str | None, float] = {
        str(arm): minutes for arm, minutes in timed.group_by("arm").agg(median).iter_rows()
    }
    return found | ({None: timed.select(median).item()} if timed.height else {})


ROUTING = Figure(
    name="routing",
    title="Hybrid routing",
    about="The accuracy if the least confident part of a model's verdicts goes to people, beside routing at random, with what it costs.",
    source="arXiv 2510.26518, hybrid of confidence; Owen and Eckles 2012 and Hesterberg 2015 for the bootstrap.",
    needs="talks that both people and a model judged",
    rows=_rows,
    table=_table,
    section=Section.AGREEMENT,
    chart=Chart(
        _chart_rows,
        _draw,
        "Accuracy against the share of talks, the model's least confident first, that people decide, with 95% bands; dashed: as many talks "
        "at random. Left end: the model alone; right end: people alone.",
    ),
    methods=(
        "Hybrid routing was measured on talks that both the model and people judged, with the talk as unit: reading orders averaged, talks "
        "sorted by the model's mean belief in its choice, ties averaged, people's verdicts on a talk averaged. Bands (95%) are from a bootstrap "
        "over passages and people. The recommended share was chosen and judged on different passages (five folds)."
    ),
    slow=True,
)
