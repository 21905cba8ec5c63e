"""Whether people and models say the same of the same talks, with people among each other as the yardstick."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import altair as alt
import numpy as np

from app.participants.base import PEOPLE
from app.reports.charts import FIT, PlainRow, chart_of, colour_and_shape, finished, mark_at
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section
from app.reports.ratings import Panel, panel_of
from app.reports.written import between
from app.shown_table import ABSENT, Column, Kind, ShownCell, ShownTable
from app.statistics.agreement import (
    SHARE,
    SIGNED,
    Linear,
    Pairs,
    ac1,
    agreed,
    alpha_interval,
    alpha_nominal,
    distance,
    estimate,
    kappa,
    pairs_across,
    pairs_within,
    rank_correlation,
)
from app.statistics.intervals import Estimate, Scale
from app.statistics.readings import BoolArray

MODELS = "models"
EVERYONE = "people and models"
MOST_MODELS = 6
"""Most models of which every two are compared. More are compared as one group."""
ALL_ARMS = "all arms"

ONE_CATEGORY = "both sides only ever say one thing, so nothing is left beyond chance"
SAME_BELIEF = "one side's belief in gold never changes"


@dataclass(frozen=True, slots=True)
class Known:
    """A statistic with its interval, or the reason why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two judges, or groups of judges, agree on the talks that both read."""

    arm: str | None
    """None for all arms together."""
    first: str
    second: str
    """The same as the first for a group whose members are compared with each other."""
    talks: int
    passages: int
    pairs: int
    """Pairs of ratings of one talk."""
    people: int
    """How many people are in a pair."""
    raw: Known
    """How often they choose the same answer."""
    kappa: Known
    """Cohen's kappa of the chosen answers."""
    ac1: Known
    """Gwet's AC1 of the chosen answers."""
    right_kappa: Known
    """Cohen's kappa of being right: whether they err on the same talks."""
    right_ac1: Known
    """Gwet's AC1 of being right."""
    correlation: Known
    """Spearman's correlation of the beliefs in gold."""
    distance: Known
    """Mean absolute difference of the beliefs in gold."""
    method: str

    @property
    def kind(self) -> str:
        """Return what is compared with what."""
        people = (self.first == PEOPLE) + (self.second == PEOPLE)
        return ("models with models", "people with models", "people with people")[people]


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far all judges of a kind agree on the talks that two or more of them read: Krippendorff's alpha."""

    arm: str | None
    who: str
    raters: int
    talks: int
    """With two ratings or more."""
    verdicts: Known
    """Nominal, of the chosen answers."""
    right: Known
    """Nominal, of being right."""
    beliefs: Known
    """Interval, of the belief in the talk's first answer, where questions have two answers."""


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────


def agreements(evidence: Evidence) -> list[Agreement]:
    """Return every comparison: over all arms, then by arm; people first."""
    whole = panel_of(evidence)
    return [row for arm, own in _by_arm(evidence, whole) for row in _compared(arm, own)]


def reliabilities(evidence: Evidence) -> list[Reliability]:
    """Return alpha of people, of models, and of all: over all arms, then by arm."""
    whole = panel_of(evidence)
    return [row for arm, own in _by_arm(evidence, whole) for row in _reliable(arm, own)]


def _by_arm(evidence: Evidence, whole: Panel) -> Iterator[tuple[str | None, Panel]]:
    """Yield all arms together where several have talks with two ratings, then each of these."""
    several = np.bincount(whole.ratings.talk)[whole.ratings.talk] > 1 if whole.judges else whole.arm > 0
    there = {whole.arms[code] for code in np.unique(whole.arm[several])}
    own = whole.where(several)
    if len(there) > 1:
        yield None, own
    for arm in evidence.facts.arms:
        if arm in there:
            yield arm, own.where(own.of_arm(arm))


def _compared(arm: str | None, own: Panel) -> Iterator[Agreement]:
    ratings, person = own.ratings, own.ratings.person
    named = own.models if len(own.models) <= MOST_MODELS else []
    sides: list[tuple[str, BoolArray]] = [(name, own.of_judge(name)) for name in named]
    if own.models and not named:
        sides = [(MODELS, ~person)]
        yield from _row(arm, (MODELS, MODELS), pairs_within(ratings, ~person))
    yield from _row(arm, (PEOPLE, PEOPLE), pairs_within(ratings, person))
    for name, mask in sides:
        yield from _row(arm, (PEOPLE, name), pairs_across(ratings, person, mask))
    for (first, one), (second, other) in combinations(sides, 2):
        yield from _row(arm, (first, second), pairs_across(ratings, one, other))


def _row(arm: str | None, names: tuple[str, str], pairs: Pairs) -> Iterator[Agreement]:
    if not pairs.one.size:
        return
    choice, right = pairs.ratings.choice, pairs.ratings.correctness

    def known(found: Linear | None, scale: Scale, reason: str = "") -> Known:
        return _known(None if found is None else estimate(pairs, found, scale), reason)

    raw = agreed(pairs, choice)
    yield Agreement(
        arm,
        *names,
        talks=pairs.talks,
        passages=int(np.unique_values(pairs.ratings.passage[pairs.one]).size),
        pairs=pairs.one.size,
        people=pairs.people,
        raw=known(raw, SHARE),
        kappa=known(kappa(pairs, choice), SIGNED, ONE_CATEGORY),
        ac1=known(ac1(pairs, choice), SIGNED),
        right_kappa=known(kappa(pairs, right), SIGNED, ONE_CATEGORY),
        right_ac1=known(ac1(pairs, right), SIGNED),
        correlation=known(rank_correlation(pairs), SIGNED, SAME_BELIEF),
        distance=known(distance(pairs), SHARE),
        method=estimate(pairs, raw, SHARE).method,
    )


def _known(found: Estimate | None, reason: str) -> Known:
    if found is None:
        return Known(reason=reason)
    return Known(found.value, min(found.low, found.value), max(found.high, found.value))


def _reliable(arm: str | None, own: Panel) -> Iterator[Reliability]:
    person = own.ratings.person
    groups = [(PEOPLE, person), (MODELS, ~person), (EVERYONE, person | True)]
    for who, mask in groups if person.any() and not person.all() else groups[: 1 + (not person.any())]:
        chosen = own.where(mask)
        ratings = chosen.ratings
        several = np.bincount(ratings.talk) > 1 if mask.any() else mask
        if not several.any():
            continue
        two = (chosen.belief[:, 2:] < 0).all()
        beliefs = alpha_interval(ratings, chosen.belief[:, 0]) if two else None
        yield Reliability(
            arm,
            who,
            raters=np.unique_values(ratings.rater).size,
            talks=int(several.sum()),
            verdicts=_known(alpha_nominal(ratings, ratings.choice), ONE_CATEGORY),
            right=_known(alpha_nominal(ratings, ratings.correctness), ONE_CATEGORY),
            beliefs=_known(beliefs, SAME_BELIEF if two else "questions have more than two answers"),
        )


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _cell(known: Known, form: str = "{:.2f}") -> ShownCell:
    if known.value is None:
        return ShownCell(ABSENT, reason=f"None: {known.reason}." if known.reason else "")
    return ShownCell(form.format(known.value), small=between(known.low, known.high, form))


def _interval(known: Known, form: str) -> str:
    return between(known.low, known.high, form)


def _names(
    rows: Sequence[Agreement] | Sequence[Reliability], names: Names
) -> Callable[[str | None, str | None], tuple[str, str]]:
    """Return how to name an arm and a judge; baselines are starred."""
    some = next((row.arm for row in rows if row.arm), None)

    def named(arm: str | None, judge: str | None) -> tuple[str, str]:
        place = arm or some
        assert place is not None
        shown, who = names.names(place, judge)
        return (shown if arm else ALL_ARMS), who

    return named


def _side(row: Agreement, other: bool, named: Callable[[str | None, str | None], tuple[str, str]]) -> str:
    name = row.second if other else row.first
    if row.first == row.second:
        return "each other" if other else name
    return named(row.arm, name)[1]


def _agreement_table(rows: Sequence[Agreement], names: Names) -> ShownTable[Agreement]:
    named = _names(rows, names)
    columns: tuple[Column[Agreement], ...] = (
        Column("arm", lambda row: named(row.arm, None)[0], Kind.NAME),
        Column("judge", lambda row: _side(row, False, named), Kind.NAME),
        Column("with", lambda row: _side(row, True, named), Kind.NAME),
        Column("same verdict", lambda row: _cell(row.raw, "{:.0%}")),
        Column("95% interval", lambda row: _interval(row.raw, "{:.0%}")),
        Column("κ", lambda row: _cell(row.kappa)),
        Column("AC1", lambda row: _cell(row.ac1), page_only=True),
        Column("κ of being right", lambda row: _cell(row.right_kappa)),
        Column("AC1 of being right", lambda row: _cell(row.right_ac1), page_only=True),
        Column("beliefs: ρ", lambda row: _cell(row.correlation)),
        Column("beliefs apart", lambda row: _cell(row.distance)),
        Column("talks", lambda row: row.talks),
        Column("passages", lambda row: row.passages, page_only=True),
        Column("pairs", lambda row: row.pairs, page_only=True),
    )
    about = (
        "On the same finished talks, one reading of each drawn at random where a judge read both orders. κ, AC1: agreement beyond chance; of "
        "being right: whether both err on the same talks. ρ: rank correlation of beliefs in gold, and how far they are apart. "
        "People with each other are the yardstick for a model."
    )
    return ShownTable("Agreement on the same talks", columns, rows, about=about)


def _reliability_table(rows: Sequence[Reliability], names: Names) -> ShownTable[Reliability]:
    named = _names(rows, names)
    columns: tuple[Column[Reliability], ...] = (
        Column("arm", lambda row: named(row.arm, None)[0], Kind.NAME),
        Column("judges", lambda row: row.who, Kind.NAME),
        Column("α of verdicts", lambda row: _cell(row.verdicts)),
        Column("95% interval", lambda row: _interval(row.verdicts, "{:.2f}")),
        Column("α of being right", lambda row: _cell(row.right)),
        Column("α of beliefs", lambda row: _cell(row.beliefs)),
        Column("raters", lambda row: row.raters),
        Column("talks", lambda row: row.talks),
    )
    about = (
        "Krippendorff's alpha over all raters, any of whom may have left out talks: 1 for full agreement, 0 for chance. Nominal for verdicts "
        "and for being right; interval for beliefs in the answer that a talk has first."
    )
    return ShownTable("Reliability of judges", columns, rows, about=about)


# ── chart ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _chart_rows(rows: Sequence[Agreement], names: Names) -> list[PlainRow]:
    """Return the raw agreement of each comparison over all arms, or of each arm where there is one."""
    named = _names(rows, names)
    whole = [row for row in rows if row.arm is None] or rows
    return [
        {
            "compared": f"{_side(row, False, named)} with {_side(row, True, named)}",
            "judges": row.kind,
            "agreement": row.raw.value,
            "low": row.raw.low,
            "high": row.raw.high,
            "talks": row.talks,
        }
        for row in whole
    ]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    marks = colour_and_shape(rows, "judges", width)
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(labelLimit=130 if width < 400 else 260, ticks=False, labelPadding=6)
    base = chart_of(rows).encode(
        y=alt.Y("compared:N", sort=[row["compared"] for row in rows], title=None, axis=axis),
        color=marks["color"],
    )
    across = alt.X(
        "agreement:Q", title="same verdict on the same talk", scale=scale, axis=alt.Axis(format="%")
    )
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(x=across, shape=marks["shape"])
    whiskers = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    layers = alt.layer(mark_at(0.5), dots, whiskers)
    return finished(layers.properties(width=width, height=alt.Step(28), autosize=FIT))


AGREEMENT = Figure(
    name="agreement",
    title="Agreement on the same talks",
    about="How far people and models say the same of the same talks, beside people among each other.",
    source="Cohen 1960; Gwet 2008; Fleiss, Cohen and Everitt 1969 for the variance of kappa.",
    needs="talks that two judges read",
    rows=agreements,
    table=_agreement_table,
    section=Section.AGREEMENT,
    chart=Chart(
        _chart_rows,
        _draw,
        "Share of talks on which both choose the same answer, with 95% intervals; the dashed line is a coin. A model that agrees with "
        "people as often as people with each other is as good as another person in this respect.",
    ),
    methods=(
        "Agreement was measured on identical finished transcripts, each verdict thresholded on its own and the reading orders of a judge "
        "averaged: raw agreement, Cohen's kappa and Gwet's AC1 of the chosen answers and of correctness, Spearman's correlation and mean "
        "absolute difference of beliefs in the right answer. Intervals (95%) are by the delta method, clustered by passage, and by person "
        "where people judged."
    ),
    slow=True,
)

ALPHA = Figure(
    name="alpha",
    title="Reliability of judges",
    about="Krippendorff's alpha of verdicts, of being right and of beliefs, for people, for models and for all.",
    source="Krippendorff 2011.",
    needs="talks that two judges read",
    rows=reliabilities,
    table=_reliability_table,
    section=Section.AGREEMENT,
    methods=(
        "Reliability is Krippendorff's alpha on talks with two or more raters: nominal for verdicts and for correctness, interval for "
        "beliefs, with 95% intervals by the delta method, clustered by passage, and by person where people judged."
    ),
    slow=True,
)
