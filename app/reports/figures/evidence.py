"""What each side of the talks said: quotes by status, concessions, refusals, injections; and whether judges go by verified quotes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from app.reports.figures.core import Evidence, Figure, Names, Section, place_columns
from app.reports.sides import NO_SIDE, TwoSides, sides_of, two_sides
from app.reports.written import between, listed, share
from app.shown_table import ABSENT, Column, Kind, ShownCell, ShownTable
from app.statistics.estimates import SHARE, estimated
from app.statistics.intervals import IntArray, mean_interval
from app.statistics.position import tops
from app.statistics.readings import BoolArray, Readings, by_question

GOLD, OTHER, NEITHER = "for gold", "against gold", "no side"


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of speeches or quotes with its interval, clustered by passage."""

    count: int
    of: int
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class SideSaid:
    """What one side said in the finished talks of an arm."""

    arm: str
    side: str
    """`for gold`, `against gold`, or `no side` for seats that argue for no answer."""
    talks: int
    speeches: int
    words: float
    """Mean per talk."""
    quotes: float
    """Mean per talk."""
    characters: float
    """Mean new verified characters per talk."""
    verified: Rate
    """Of the quotes."""
    unverified: Rate
    near: Rate
    """Quotes a few words away from the passage."""
    too_short: Rate
    over_limit: Rate
    repeated: Rate
    """Of the verified quotes."""
    suspicious: Rate
    """Of the speeches."""
    concedes: Rate
    """Of the speeches whose position was checked."""
    refuses: Rate


@dataclass(frozen=True, slots=True)
class QuoteTrust:
    """How often a judge sides with the answer for which more of the passage is verified, where both are argued for."""

    arm: str
    judge: str
    questions: int
    """With a talk in which one side shows more."""
    verdicts: int
    sided: float
    """How often the judge chose the answer with more verified characters."""
    low: float
    high: float
    gold_shows_more: float
    """How often that answer is gold."""
    accuracy_more: float | None
    """Accuracy where gold shows more."""
    accuracy_less: float | None


# ── sides ───────────────────────────────────────────────────────────────────────────────────────────────────────


def sides_said(spoken: pl.DataFrame, arms: Sequence[str]) -> list[SideSaid]:
    """Return what each side said, by arm, from the frame `sides_of`."""
    side = (
        pl.when(pl.col("argued") == NO_SIDE)
        .then(pl.lit(NEITHER))
        .when(pl.col("argued") == pl.col("gold"))
        .then(pl.lit(GOLD))
        .otherwise(pl.lit(OTHER))
    )
    counts = pl.exclude("seat", "talk", "arm", "family", "question", "gold", "argued", "hash", "side").sum()
    by_talk = (
        spoken.with_columns(side=side)
        .group_by("arm", "side", "talk", "family")
        .agg(counts)
        .sort("arm", "side", "talk")
    )
    groups = {(str(arm), str(name)): own for (arm, name), own in by_talk.group_by("arm", "side")}
    places = [(arm, name) for arm in arms for name in (GOLD, OTHER, NEITHER)]
    return [_said(arm, name, groups[arm, name].sort("talk")) for arm, name in places if (arm, name) in groups]


def _said(arm: str, side: str, own: pl.DataFrame) -> SideSaid:
    passages = own["family"].to_physical().to_numpy().astype(np.int64)

    def rate(part: str, whole: str) -> Rate:
        return _rate(own[part].to_numpy(), own[whole].to_numpy(), passages)

    means = own.select(pl.col("words", "quotes", "characters").mean()).row(0)
    return SideSaid(
        arm,
        side,
        talks=own.height,
        speeches=int(own["speeches"].sum()),
        words=float(means[0]),
        quotes=float(means[1]),
        characters=float(means[2]),
        verified=rate("verified", "quotes"),
        unverified=rate("unverified", "quotes"),
        near=rate("near", "quotes"),
        too_short=rate("too_short", "quotes"),
        over_limit=rate("over_limit", "quotes"),
        repeated=rate("repeated", "verified"),
        suspicious=rate("suspicious", "speeches"),
        concedes=rate("concedes", "checked"),
        refuses=rate("refuses", "checked"),
    )


def _rate(part: IntArray, whole: IntArray, passages: IntArray) -> Rate:
    """Return a ratio of sums over talks: its interval is that of the mean of its linear terms."""
    count, of = int(part.sum()), int(whole.sum())
    if not of:
        return Rate(count, of, None)
    value = count / of
    terms = value + (part - value * whole) / whole.mean()
    found = mean_interval(terms, passages, SHARE)
    return Rate(count, of, value, min(found.low, value), max(found.high, value))


# ── trust ───────────────────────────────────────────────────────────────────────────────────────────────────────


def quote_trust(evidence: Evidence, sides: TwoSides) -> list[QuoteTrust]:
    """Return every judge of arms in which two answers were argued for with quotes."""
    characters = sides.figures["characters"]
    # NaN compares as no difference.
    uneven = characters[:, 0] != characters[:, 1]
    uneven &= ~np.isnan(characters[:, 0])
    more = np.where(
        uneven, sides.answers[np.arange(uneven.size), (characters[:, 1] > characters[:, 0]) * 1], -1
    )
    return [row for readings in evidence.readings.values() for row in _trust(evidence, readings, more)]


def _trust(evidence: Evidence, readings: Readings, more: IntArray) -> Iterator[QuoteTrust]:
    table = evidence.counted.table
    answer = more[table.talk[readings.rows]]
    own = readings.where(answer >= 0)
    if not own.rows.size:
        return
    answer = answer[answer >= 0]
    top = tops(table.beliefs[own.rows])
    sided = top[np.arange(answer.size), answer] / top.sum(axis=1)
    is_gold = answer == table.gold[own.rows]
    found = estimated(own, sided)
    yield QuoteTrust(
        own.arm,
        own.judge,
        questions=own.questions.size,
        verdicts=own.rows.size,
        sided=found.value,
        low=found.low,
        high=found.high,
        gold_shows_more=float(by_question(own, is_gold.astype(np.float64)).value.mean()),
        accuracy_more=_accuracy(own, is_gold),
        accuracy_less=_accuracy(own, ~is_gold),
    )


def _accuracy(readings: Readings, kept: BoolArray) -> float | None:
    own = readings.where(kept)
    return float(by_question(own, own.right).value.mean()) if own.rows.size else None


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _rate_cell(rate: Rate) -> ShownCell:
    if rate.value is None:
        return ShownCell(ABSENT)
    return ShownCell(f"{rate.value:.0%}", small=between(rate.low, rate.high, "{:.0%}"))


def _sides_table(rows: Sequence[SideSaid], names: Names) -> ShownTable[SideSaid]:
    def rate(title: str, name: str, *, page_only: bool = False) -> Column[SideSaid]:
        return Column(title, lambda row: _rate_cell(getattr(row, name)), page_only=page_only)

    columns: tuple[Column[SideSaid], ...] = (
        Column("arm", lambda row: names.names(row.arm, None)[0], Kind.NAME),
        Column("side", lambda row: row.side, Kind.NAME),
        Column("words", lambda row: f"{row.words:.0f}"),
        Column("quotes", lambda row: f"{row.quotes:.1f}"),
        rate("verified", "verified"),
        rate("unverified", "unverified"),
        rate("near misses", "near", page_only=True),
        rate("too short", "too_short", page_only=True),
        rate("over the limit", "over_limit", page_only=True),
        rate("repeated", "repeated"),
        Column("characters", lambda row: f"{row.characters:.0f}"),
        rate("concedes", "concedes"),
        rate("refuses", "refuses"),
        rate("suspicious", "suspicious"),
        Column("talks", lambda row: row.talks),
    )
    about = (
        "Per talk and side: words, quotes, and verified characters of the passage that the side had not shown before. Verified to over the "
        "limit: shares of quotes; repeated: of verified quotes; concedes, refuses: of checked speeches; suspicious: of speeches, those that "
        "impersonate, instruct the judge or forge marks."
    )
    return ShownTable("What each side said", columns, rows, about=about)


def _trust_table(rows: Sequence[QuoteTrust], names: Names) -> ShownTable[QuoteTrust]:
    columns: tuple[Column[QuoteTrust], ...] = (
        *place_columns(names),
        Column("chose it", lambda row: share(row.sided)),
        Column("95% interval", lambda row: between(row.low, row.high, "{:.0%}")),
        Column("it is gold", lambda row: share(row.gold_shows_more)),
        Column("accuracy then", lambda row: share(row.accuracy_more)),
        Column("accuracy else", lambda row: share(row.accuracy_less)),
        Column("questions", lambda row: row.questions),
    )
    about = (
        "How often a judge chose the answer for which more characters of the passage were verified, beside how often that answer is gold; "
        "accuracy where it is gold, and where it is not. A judge who goes by quotes alone is right exactly where gold has more."
    )
    return ShownTable("Do judges go by verified quotes?", columns, rows, about=about)


def _said_rows(evidence: Evidence) -> list[SideSaid]:
    return sides_said(sides_of(evidence), list(evidence.facts.arms))


def _trust_rows(evidence: Evidence) -> list[QuoteTrust]:
    facts = evidence.facts
    return quote_trust(evidence, two_sides(sides_of(evidence), facts.talks.height, ("characters",)))


def _rates(rows: Sequence[SideSaid]) -> str:
    """Return the sentence for the methods section: it names what was looked for in these talks, and found where it is of quotes."""
    rates = [
        *(["verified, unverified and repeated quotes"] if any(row.quotes for row in rows) else []),
        *(["concessions", "refusals"] if any(row.concedes.of for row in rows) else []),
        "suspicious speeches",
    ]
    return f"Rates of {listed(rates)} are ratios over finished talks by side, with 95% intervals clustered by passage."


SIDES_SAID = Figure(
    name="sides_said",
    title="What each side said",
    about="Words, quotes by status, concessions, refusals and suspicious speeches of the sides for gold and against it.",
    source="Counts; Khan et al. 2024, appendix D, for marked quotes and position checks.",
    needs="finished talks with speeches",
    rows=_said_rows,
    table=_sides_table,
    section=Section.TALKS,
    methods=_rates,
)
QUOTE_TRUST = Figure(
    name="quote_trust",
    title="Do judges go by verified quotes?",
    about="How often a judge chose the answer for which more characters of the passage were verified.",
    source="Khan et al. 2024, appendix D.8, as an observed rate: no mark was changed.",
    needs="arms in which two answers are argued for, with quotes",
    rows=_trust_rows,
    table=_trust_table,
    section=Section.BIAS,
    methods=(
        "Quote trust is how often a judge chose the answer with more verified characters of the passage, averaged within questions, with 95% "
        "intervals clustered by passage, and by person where people judged."
    ),
)
