"""The figures of skill of a report, on written frames with planted skills and on real talks."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from app.participants.base import PEOPLE
from app.records.database import Database
from app.records.side_words import SCHEMA
from app.reports.facts import facts
from app.reports.figures.core import Evidence
from app.reports.figures.skill import PEOPLE_ARGUE, SKILL, SKILL_ACCURACY, SkillLine
from app.reports.leagues import leagues, opponents
from app.reports.report import completed, evidence_of, quick
from app.statistics.skill import NOT_CONNECTED, POINTS
from tests.factories import finished, passage
from tests.frames import Row
from tests.reports.arguing import arguing
from tests.reports.naming import AS_GIVEN
from tests.reports.test_sides import data

SKILLS = {"one": 0.0, "two": 0.5, "three": 1.2}
ADVANTAGE, SIDE = 1.0, 0.6


def arm(first: str, second: str, **settings: Any) -> dict[str, Any]:
    """A debate of two participants as in the frozen file."""
    seats = {"debater_a": first, "debater_b": second, "checker": first}
    return {"name": f"{first} {second}", "protocol": "debate", "seats": seats, **settings}


PAIRS = [("one", "two"), ("one", "three"), ("two", "three"), *((name, name) for name in SKILLS)]


def judged(
    arms: list[dict[str, Any]], passages: int = 20, *, spoken: bool = True, kind: str = "model"
) -> Evidence:
    """Talks on three questions of each passage, judged in both orders with planted skills, the stronger side speaking more."""
    rng = np.random.default_rng(14)
    rows, argues, words = [], {}, []
    for made in arms:
        first, second = made["seats"]["debater_a"], made["seats"]["debater_b"]
        for number, (honest, other) in enumerate(dict.fromkeys([(first, second), (second, first)])):
            for question in range(3 * passages):
                # The first seat always argues for the first answer; who sits there is exchanged in the second assignment.
                trial = UUID(int=len(argues) + 1)
                argues[trial] = {"debater_a": 0, "debater_b": 1}
                ratio = rng.normal(0, 1)
                words += [(trial, "debater_a", 2 ** (7 + ratio)), (trial, "debater_b", 2**7)]
                for reading in (0, 1):
                    side = SIDE * (0.5 - reading)
                    logit = SKILLS.get(honest, 0) - SKILLS.get(other, 0) + ADVANTAGE + side
                    p = 0.9 if rng.random() < expit(logit) else 0.1
                    rows.append(
                        Row(
                            made["name"],
                            f"q{question}",
                            (p, 1 - p),
                            assignment=number,
                            reading=reading,
                            reading_order=(reading, 1 - reading),
                            passage=f"p{question // 3}",
                            trial=trial,
                            kind=kind,
                            place=1 + reading if kind == "person" else 0,
                            judge=f"j{reading}" if kind == "person" else "weak",
                        )
                    )
    evidence = arguing(rows, argues, arms=arms)
    hashes = dict(evidence.facts.talks.select("trial_id", "hash").iter_rows())
    spoken_words = [(hashes[str(trial)], seat, round(count)) for trial, seat, count in words]
    frame = pl.DataFrame(spoken_words if spoken else [], SCHEMA, orient="row")
    return replace(evidence, facts=replace(evidence.facts, words=frame))


@pytest.fixture(scope="module")
def league() -> Evidence:
    return judged([arm(*pair) for pair in PAIRS])


def of(rows: list[SkillLine], term: str, participant: str | None = None) -> SkillLine:
    [found] = [row for row in rows if (row.term, row.participant) == (term, participant)]
    return found


def test_planted_skills_are_within_their_limits(league: Evidence) -> None:
    rows = list(SKILL.rows(league))
    for name, skill in SKILLS.items():
        found = of(rows, "skill", name)
        if name == "one":
            assert (found.points, found.low, found.high) == (0, None, None)
        else:
            assert found.low < POINTS * skill < found.high, name
        assert (
            of(rows, "for gold", name).low
            < POINTS * (skill + ADVANTAGE / 2)
            < of(rows, "for gold", name).high
        )
    for term, truth in (("advantage", ADVANTAGE), ("side", SIDE), ("length", 0)):
        found = of(rows, term)
        assert found.low < POINTS * truth < found.high, term
        assert found.verdicts == 9 * 60 * 2
    assert of(rows, "skill", "two").verdicts == 5 * 60 * 2, "four talks with others and one with itself"
    assert SKILL.words(rows) == []


def test_who_argues_is_read_from_assignment_and_sides() -> None:
    """In the second assignment the participants are exchanged."""
    arms = [arm("one", "two")]
    evidence = judged(arms, 2)
    [made] = leagues(arms)
    found = opponents(made, evidence.talks, evidence.facts.words)
    assert made.participants == ["one", "two"]
    assert found.honest.tolist() == [0] * 6 + [1] * 6
    assert found.other.tolist() == [1] * 6 + [0] * 6
    [first, second] = evidence.facts.words["words"][:2]
    assert found.length[0] == pytest.approx(np.log2(first / second))


def test_two_participants_share_one_advantage_and_say_so() -> None:
    rows = list(SKILL.rows(judged([arm("one", "three")])))
    assert of(rows, "skill", "three").low < POINTS * 1.2 < of(rows, "skill", "three").high
    assert not of(rows, "advantage").own_advantages
    assert [row.term for row in rows if row.participant is None] == ["advantage", "side", "length"]
    [said] = SKILL.words(rows)
    assert "one advantage of arguing for gold for all" in said


def test_unknown_words_leave_the_term_out() -> None:
    rows = list(SKILL.rows(judged([arm("one", "two")], 10, spoken=False)))
    assert of(rows, "advantage").left_out == ("length",)
    assert any("no term for words" in said for said in SKILL.words(rows))


def test_arms_that_differ_in_more_are_no_league() -> None:
    alike = [
        arm("one", "two"),
        arm("two", "three"),
        arm("one", "three", rounds=5),
        arm("one", "one", rounds=5),
    ]
    assert [league.names for league in leagues(alike)] == [
        ["one two", "two three"],
        ["one three", "one one"],
    ]
    assert leagues([arm("one", "one")]) == []
    assert leagues([{"name": "n", "protocol": "naive", "seats": {}}]) == []


def test_reasons() -> None:
    apart = judged([arm("one", "two"), arm("three", "four")], 5)
    [found] = SKILL.rows(apart)
    assert found.reason == NOT_CONNECTED
    people = judged([arm("one", PEOPLE)], 5)
    [found] = SKILL.rows(people)
    assert found.reason == PEOPLE_ARGUE
    [slope] = SKILL_ACCURACY.rows(people)
    assert slope.reason == PEOPLE_ARGUE
    assert SKILL.words([found]) == [f"Skill in one people, weak: none, because {PEOPLE_ARGUE}."]
    table = SKILL.table
    assert table is not None
    assert table([found], AS_GIVEN).columns[4].shown(found).reason == f"There is no fit: {PEOPLE_ARGUE}."


def test_two_people_who_judge_show_too_little_for_limits() -> None:
    rows = list(SKILL.rows(judged([arm("one", "three")], 10, kind="person")))
    found = of(rows, "skill", "three")
    assert found.judge == "people"
    assert found.method is not None
    assert "5 people" in found.method
    assert (found.low, found.high) == (None, None)


def test_accuracy_against_skill_uses_two_halves(league: Evidence) -> None:
    [found] = SKILL_ACCURACY.rows(league)
    assert found.found is not None
    assert (found.found.rated, found.found.scored) == (10, 10)
    assert [point.arm for point in found.found.points] == [3, 4, 5], "the self-play arms"
    assert found.found.low < found.found.value < found.found.high
    json = found.as_json()
    assert json["slope"]["points"][0].keys() == {"arm", "skill", "accuracy"}
    [few] = SKILL_ACCURACY.rows(judged([arm("one", "two")], 5))
    assert few.found is not None
    assert few.found.reason == "fewer than 3 arms differ in who argues"


@pytest.mark.parametrize("figure", [SKILL, SKILL_ACCURACY])
def test_tables_and_charts(figure: Any, league: Evidence) -> None:
    rows = figure.rows(league)
    table = figure.table(rows, AS_GIVEN)
    for row in rows:
        assert all(column.shown(row).text for column in table.columns)
    for width in (360, 700):
        assert figure.chart.draw(figure.chart.rows(rows, AS_GIVEN), width).to_dict()["config"]


async def test_a_real_debate_of_two_participants(database: Database) -> None:
    passages = [passage(key) for key in ("Alba", "Brise", "Corvo")]
    experiment = await finished(database, *passages, data=data(rounds=1))
    async with database.session() as session:
        read = await facts(session, experiment)
    assert read.words.height == 2 * 12
    assert set(read.words["seat"]) == {"debater_a", "debater_b"}
    assert read.words["words"].min() > 0
    evidence = evidence_of(read)
    report = completed(quick(evidence), evidence)
    rows = report.figures["skill"]
    assert {row.participant for row in rows if row.term == "skill"} == {"strong", "weak"}
    assert of(rows, "skill", "strong").verdicts == 24
    assert report.as_json()["skill"][0]["term"] == "skill"
