"""How skilled participants are who argue against each other, and whether judges are more often right with more skilled ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import altair as alt
import numpy as np

from app.reports.charts import FIT, PlainRow, chart_of, colour_and_shape, dots_with_whiskers, finished
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section
from app.reports.leagues import League, Opponents, leagues, opponents
from app.reports.written import between
from app.shown_table import ABSENT, Column, Kind, ShownCell, ShownTable
from app.statistics.intervals import IntArray
from app.statistics.readings import Place, Readings, weights
from app.statistics.resampling import Clusters
from app.statistics.seeds import generator
from app.statistics.skill import NO_MATCH, NOT_CONNECTED, PENALTY, POINTS, Matches, SkillFit, skills
from app.statistics.slopes import Slope, accuracy_slope

PEOPLE_ARGUE = "people argue, and the report does not know who of them argued in which talk"
TERMS = {
    "skill": "skill",
    "for gold": "skill arguing for gold",
    "against gold": "skill arguing against gold",
    "advantage": "advantage of arguing for gold",
    "side": "advantage of being listed first",
    "length": "advantage of twice the words",
}


@dataclass(frozen=True, slots=True)
class SkillLine:
    """One figure of the participants of a league before one judge, in points, or the reason why there is none."""

    arms: Sequence[str]
    judge: str
    term: str
    """One of `TERMS`; empty where there is a reason."""
    participant: str | None
    """None where the figure is of the league."""
    points: float | None = None
    low: float | None = None
    """None for the first participant, to whom skills are relative, and with one passage."""
    high: float | None = None
    verdicts: int = 0
    """Verdicts on talks in which the participant argued; of the league where there is none."""
    passages: int = 0
    penalised: bool = False
    """Whether the fit needed a penalty, because some participant always won or lost."""
    penalised_draws: int = 0
    undetermined_draws: int = 0
    own_advantages: bool = False
    """Whether each participant has an own advantage of arguing for gold."""
    left_out: Sequence[str] = ()
    """Terms of the league that do not vary, or are not known."""
    method: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """The verdicts of one judge on the talks of a league."""

    league: League
    judge: str
    arm: IntArray
    """The arm of each verdict, by its place in the league."""
    readings: Sequence[Readings]
    """By arm; those without a known match are left out."""
    matches: Matches
    clusters: Clusters
    passage: IntArray


def _judged(evidence: Evidence) -> Iterator[_Judged | SkillLine]:
    """Yield every league before every judge; a line with a reason where there is nothing to fit."""
    for league in leagues(evidence.file_arms):
        found = None if league.people else opponents(league, evidence.talks, evidence.facts.words)
        for judge, own in _by_judge(league, evidence.readings).items():
            if found is None:
                yield SkillLine(league.names, judge, "", None, reason=PEOPLE_ARGUE)
                continue
            made = _of_judge(league, judge, own, evidence, found)
            met = made.matches.honest != made.matches.other
            yield made if met.any() else SkillLine(league.names, judge, "", None, reason=NO_MATCH)


def _by_judge(league: League, readings: Mapping[Place, Readings]) -> dict[str, list[Readings]]:
    judges = sorted({judge for arm, judge in readings if arm in league.names})
    return {
        judge: [own for arm in league.names if (own := readings.get((arm, judge))) is not None]
        for judge in judges
    }


def _of_judge(
    league: League, judge: str, readings: Sequence[Readings], evidence: Evidence, found: Opponents
) -> _Judged:
    table = evidence.counted.table
    own = [each.where(found.honest[table.talk[each.rows]] >= 0) for each in readings]
    rows = np.concatenate([each.rows for each in own])
    talk = table.talk[rows]
    listed = table.frame["reading_order"][rows].list.get(0).to_numpy()
    places = {name: place for place, name in enumerate(league.names)}
    matches = Matches(
        found.honest[talk],
        found.other[talk],
        np.where(listed == table.gold[rows], 0.5, -0.5),
        found.length[talk],
        np.concatenate([each.right for each in own]),
        len(league.participants),
    )
    passage, person = (
        np.concatenate([getattr(each, name) for each in own]) for name in ("passage", "person")
    )
    arm = np.concatenate([np.full(each.rows.size, places[each.arm]) for each in own])
    return _Judged(league, judge, arm, own, matches, Clusters.of(passage, person), passage)


# ── skill ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(evidence: Evidence) -> list[SkillLine]:
    found: list[SkillLine] = []
    for item in _judged(evidence):
        found += [item] if isinstance(item, SkillLine) else _lines(item, evidence.seed)
    return found


def _lines(item: _Judged, seed: int) -> list[SkillLine]:
    fit = skills(item.matches, item.clusters, generator("skill", seed, *item.league.names, item.judge))
    if fit is None:
        return [SkillLine(item.league.names, item.judge, "", None, reason=NOT_CONNECTED)]
    return [_line(item, fit, at) for at in range(len(fit.names))]


def _line(item: _Judged, fit: SkillFit, at: int) -> SkillLine:
    term, place = fit.names[at]
    limited = not np.isnan(fit.low[at])
    there = (
        np.ones(item.arm.size, dtype=np.bool_)
        if place < 0
        else (item.matches.honest == place) | (item.matches.other == place)
    )
    return SkillLine(
        item.league.names,
        item.judge,
        term,
        None if place < 0 else item.league.participants[place],
        float(fit.values[at]),
        float(fit.low[at]) if limited else None,
        float(fit.high[at]) if limited else None,
        int(there.sum()),
        int(np.unique_values(item.passage[there]).size),
        fit.penalised,
        fit.penalised_draws,
        fit.undetermined_draws,
        fit.own_advantages,
        tuple(fit.constant),
        item.clusters.method,
    )


def _table(rows: Sequence[SkillLine], names: Names) -> ShownTable[SkillLine]:
    columns: tuple[Column[SkillLine], ...] = (
        Column("arms", lambda row: _arms(row.arms, row.judge, names), Kind.NAME),
        Column("judge", lambda row: names.names(row.arms[0], row.judge)[1], Kind.NAME),
        Column("participant", lambda row: row.participant, Kind.NAME),
        Column("figure", lambda row: TERMS.get(row.term), Kind.WORDS),
        Column("points", _points),
        Column("95% interval", _between),
        Column("verdicts", lambda row: row.verdicts),
        Column("passages", lambda row: row.passages, page_only=True),
    )
    about = (
        "400 points are a factor of ten in the odds of a verdict. Skills are relative to the first participant; the advantage of arguing "
        "for gold is what the truth is worth beside skill."
    )
    return ShownTable("Skill of who argues", columns, rows, about=about)


def _arms(arms: Sequence[str], judge: str, names: Names) -> str:
    return ", ".join(names.names(arm, judge)[0] for arm in arms)


def _points(row: SkillLine) -> ShownCell:
    if row.points is None:
        return ShownCell(ABSENT, reason=f"There is no fit: {row.reason}.")
    return ShownCell(f"{row.points:+.0f}")


def _between(row: SkillLine) -> ShownCell:
    if row.points is None:
        return ShownCell(ABSENT, reason=f"There is no fit: {row.reason}.")
    if row.low is None:
        return ShownCell("the reference" if row.term == "skill" and row.points == 0 else ABSENT)
    return ShownCell(between(row.low, row.high, "{:+.0f}"))


def _words(rows: Sequence[SkillLine]) -> list[str]:
    """Return what the fits leave out, once for each league."""
    found = []
    for row in rows:
        named = f"Skill in {', '.join(row.arms)}, {row.judge}"
        if row.reason is not None:
            found.append(f"{named}: none, because {row.reason}.")
            continue
        if row.term != "advantage":
            continue
        if row.penalised:
            found.append(
                f"{named}: some term separates won from lost, so that every term has a normal prior with a spread of "
                f"{PENALTY * POINTS:.0f} points."
            )
        if not row.own_advantages:
            found.append(
                f"{named}: one advantage of arguing for gold for all, because the matches do not tell those of participants apart."
            )
        if "length" in row.left_out:
            found.append(f"{named}: no term for words, which are all alike or not known for every talk.")
    return found


def _chart_rows(rows: Sequence[SkillLine], names: Names) -> list[PlainRow]:
    return [
        {
            "participant": row.participant,
            "judge": names.names(row.arms[0], row.judge)[1],
            "points": row.points,
            "low": row.points if row.low is None else row.low,
            "high": row.points if row.high is None else row.high,
            "arms": _arms(row.arms, row.judge, names),
            "verdicts": row.verdicts,
        }
        for row in rows
        if row.term == "skill"
    ]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    low, high = min(0.0, *(row["low"] for row in rows)), max(0.0, *(row["high"] for row in rows))
    scale = alt.Scale(domain=[low, high], nice=True)
    return dots_with_whiskers(
        rows, width, "participant", "points", "skill, with its 95% interval", 0.0, scale
    )


SKILL = Figure(
    name="skill",
    title="Skill of who argues",
    about="Skills of participants who argue against each other, with the advantages of arguing for gold, of being listed first, and of more words.",
    source="Bradley and Terry 1952, by maximum likelihood; ratings for and against gold as in Khan et al. 2024, section 3.",
    needs="arms in which two different participants oppose each other",
    rows=_rows,
    table=_table,
    words=_words,
    section=Section.INCENTIVES,
    chart=Chart(
        _chart_rows,
        _draw,
        "Skill in points relative to the first participant, with 95% limits by drawing whole passages; 400 points are a factor of ten in "
        "the odds.",
    ),
    methods=(
        "Skills are a Bradley–Terry model by maximum likelihood: the logit of a verdict for gold is the skill of who argues for it, less that "
        "of who argues against it, plus terms for the side listed first and the log ratio of words; ties count ½; 400 points are a factor of "
        "ten; limits are expanded percentiles of 500 draws of whole passages, and of whole people at once where people judge."
    ),
    slow=True,
)

# ── skill and accuracy ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SkillAccuracy:
    """Accuracy under each arm of a league against the skill of its participants, which was measured on other passages."""

    arms: Sequence[str]
    judge: str
    found: Slope | None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return {
            "arms": self.arms,
            "judge": self.judge,
            "reason": self.reason if self.found is None else self.found.reason,
            "slope": None if self.found is None else asdict(self.found),
        }


def _slope_rows(evidence: Evidence) -> list[SkillAccuracy]:
    found = []
    for item in _judged(evidence):
        if isinstance(item, SkillLine):
            found.append(SkillAccuracy(item.arms, item.judge, None, item.reason))
        else:
            found.append(SkillAccuracy(item.league.names, item.judge, _slope(item, evidence.seed)))
    return found


def _slope(item: _Judged, seed: int) -> Slope:
    places = {name: place for place, name in enumerate(item.league.participants)}
    opposed = np.array([[places[name] for name in arm.opposed] for arm in item.league.arms])
    shares = np.concatenate([weights(each) for each in item.readings if each.rows.size])
    return accuracy_slope(
        item.matches,
        item.arm,
        opposed,
        shares,
        item.passage,
        np.concatenate([each.person for each in item.readings]),
        generator("skill and accuracy", seed, *item.league.names, item.judge),
    )


def _slope_table(rows: Sequence[SkillAccuracy], names: Names) -> ShownTable[SkillAccuracy]:
    columns: tuple[Column[SkillAccuracy], ...] = (
        Column("arms", lambda row: _arms(row.arms, row.judge, names), Kind.NAME),
        Column("judge", lambda row: names.names(row.arms[0], row.judge)[1], Kind.NAME),
        Column("accuracy per 100 points", lambda row: _sloped(row, "value")),
        Column("95% interval", lambda row: _sloped(row, "limits")),
        Column("arms compared", lambda row: 0 if row.found is None else len(row.found.points)),
        Column("passages for skill", lambda row: 0 if row.found is None else row.found.rated, page_only=True),
        Column("for accuracy", lambda row: 0 if row.found is None else row.found.scored, page_only=True),
    )
    about = (
        "How much accuracy rises with the skill of who argues. Skill is measured on a seeded half of the passages and accuracy on the "
        "other half, so that no question decides both."
    )
    return ShownTable("Accuracy against skill", columns, rows, about=about)


def _sloped(row: SkillAccuracy, what: str) -> ShownCell:
    found = row.found
    if found is None or found.value is None:
        reason = row.reason if found is None else found.reason
        return ShownCell(ABSENT, reason=f"There is no slope: {reason}.")
    if what == "value":
        return ShownCell(f"{100 * found.value:+.1f} points")
    if found.low is None or found.high is None:
        return ShownCell(ABSENT)
    return ShownCell(between(100 * found.low, 100 * found.high, "{:+.1f}"))


def _slope_chart_rows(rows: Sequence[SkillAccuracy], names: Names) -> list[PlainRow]:
    found = []
    for row in rows:
        for point in row.found.points if row.found is not None else ():
            arm, judge = names.names(row.arms[point.arm], row.judge)
            found.append({"arm": arm, "judge": judge, "skill": point.skill, "accuracy": point.accuracy})
    return found


def _draw_slope(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    marks = colour_and_shape(rows, "judge", width)
    base = chart_of(rows).encode(
        x=alt.X(
            "skill:Q",
            title="skill of who argues, in points, on other passages",
            scale=alt.Scale(nice=True, padding=40),
        ),
        y=alt.Y("accuracy:Q", title="share right", scale=alt.Scale(domain=[0, 1])),
        color=marks["color"],
    )
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(shape=marks["shape"])
    names = base.mark_text(dy=-12, fontSize=11).encode(text="arm:N")
    return finished(alt.layer(dots, names).properties(width=width, height=260, autosize=FIT))


SKILL_ACCURACY = Figure(
    name="skill_accuracy",
    title="Accuracy against skill",
    about="The slope of accuracy over the skill of who argues, for each judge, with skill and accuracy from disjoint passages.",
    source="Khan et al. 2024, section 4, with skill and accuracy on disjoint questions.",
    needs="three or more arms whose participants differ, and oppose each other in some",
    rows=_slope_rows,
    table=_slope_table,
    as_json=SkillAccuracy.as_json,
    section=Section.INCENTIVES,
    chart=Chart(
        _slope_chart_rows,
        _draw_slope,
        "A dot for each arm: accuracy on one half of the passages against the skill of its participants on the other half.",
    ),
    methods=(
        "The slope of accuracy over skill is an unweighted line over arms; skill comes from a seeded half of the passages, accuracy from the other, "
        "and both are drawn again by whole passages. Noise in skill makes the slope too flat."
    ),
    slow=True,
)
