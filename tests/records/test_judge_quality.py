"""What is read of studies' people: trials with their effort, checks, ends, exclusions; and what a report makes of it."""

import pytest
from sqlalchemy import func, select

from app.records import judge_quality, verdicts
from app.records.database import Database
from app.records.judge_quality import Part
from app.reports.report import Report, notes, report
from app.studies.exclusions import BY_HAND, flags_of, sample_of
from app.studies.spec import Flag, parse_study
from models import Audit, Enrolment, Experiment, Study, Verdict
from tests.studies.made_up import CAST, Made, made_up

pytestmark = pytest.mark.outside

FEW = [one for one in CAST if one.name in ("ada", "dee", "eve", "gil", "jan")]


async def parts(database: Database, study: Study) -> dict[str, Part]:
    """The parts in a study by the name that the person gave."""
    async with database.session() as session:
        found = await judge_quality.parts_of(session, study.id)
    return {one.name: part for one, part in zip(_by_joining(), found, strict=True)}


def _by_joining() -> list[Made]:
    return sorted(FEW, key=lambda one: -one.minutes)


async def made(database: Database, experiment: Experiment) -> Report:
    """The report of an experiment."""
    async with database.session() as session:
        return await report(session, experiment)


def _counted(result: Report) -> int:
    """Verdicts that count, with those that lack another assignment."""
    return sum(line.cell.verdicts for line in result.lines if line.cell) + result.totals["excluded"]


async def test_everything_that_flags_are_made_of_is_read(database: Database) -> None:
    _, study = await made_up(database, FEW)
    found = await parts(database, study)
    ada, dee, gil, jan = (found[name] for name in ("ada", "dee", "gil", "jan"))
    assert [len(part.trials) for part in (ada, dee, gil, jan)] == [4, 4, 4, 0]
    trial = ada.trials[0]
    assert trial.work.reason == "Quote 1 of ada decides it, as the log says so."
    assert trial.work.written == len(trial.work.reason)
    assert trial.work.keystrokes == trial.work.written + 5
    assert trial.work.seconds is not None
    assert 48 <= trial.work.seconds <= 72
    assert (gil.trials[0].work.seconds, gil.trials[0].work.keystrokes) == (None, None)
    assert dee.trials[0].work.belief == 0.5
    assert dee.trials[0].choice == (0.5, 0.5)
    assert [(item.item, item.passed) for item in dee.items if item.item] == [("look", False), ("sure", True)]
    assert all(
        trial.p_gold + trial.work.belief in (pytest.approx(1), pytest.approx(2 * trial.p_gold))
        for trial in ada.trials
    )


async def test_each_person_has_the_flags_of_what_they_did(database: Database) -> None:
    _, study = await made_up(database, FEW)
    spec = parse_study(study.spec)
    found = {
        name: {one.flag for one in flags_of(part, spec)}
        for name, part in (await parts(database, study)).items()
    }
    assert found == {
        "ada": set(),
        "gil": set(),
        "jan": set(),
        "dee": {Flag.TOO_FAST, Flag.SAME_REASONS, Flag.STRAIGHT_LINING, Flag.ATTENTION_FAILED},
        "eve": {Flag.PASTED, Flag.FEW_KEYSTROKES, Flag.AWAY},
    }


async def test_the_report_leaves_out_whom_the_rules_of_the_file_exclude_and_says_so(
    database: Database,
) -> None:
    experiment, study = await made_up(database, FEW)
    dee = (await parts(database, study))["dee"].person
    result = await made(database, experiment)
    assert {row.person for row in result.figures["people"]}.isdisjoint({dee})
    rows = result.figures["exclusions"]
    assert sum(row.verdicts_out for row in rows) == 4
    assert result.totals["excluded_people"] == 4
    assert _counted(result) == 12
    assert result.as_json()["studies"][0]["excluded"] == {dee: "too_fast, attention_failed"}
    [sample] = [item["text"] for item in result.methods if item["title"] == "Sample and exclusions"]
    for words in (
        "The study ferries recruited 5 people",
        "1 returned the submission",
        "people with 3 or more trials judged in less than 15 s at work and people who failed 1 or more attention checks",
        "1 person is excluded (attention failed: 1; too fast: 1)",
        "4 verdicts of people who are excluded",
        "1 verdict of 1 person who returned the submission",
    ):
        assert words in sample
    assert notes(result)


async def test_without_a_rule_no_flag_excludes_anybody(database: Database) -> None:
    from tests.studies.made_up import study_file

    experiment, _ = await made_up(database, FEW, study_file("small", exclude=[], looking=True))
    result = await made(database, experiment)
    assert result.figures["exclusions"] == []
    assert _counted(result) == 16
    [sample] = [item["text"] for item in result.methods if item["title"] == "Sample and exclusions"]
    assert "has no rule of exclusion" in sample


async def test_a_researchers_exclusion_is_audited_and_can_be_taken_back(database: Database) -> None:
    experiment, study = await made_up(database, FEW)
    eve = (await parts(database, study))["eve"]

    async def version() -> str:
        async with database.session() as session:
            return await verdicts.version(session, experiment.id)

    async def reasons() -> str | None:
        async with database.session() as session:
            return (await sample_of(session, experiment.id)).excluded.get(eve.person)

    before = await version()
    async with database.session.begin() as session:
        row = await session.get_one(Enrolment, eve.id)
        assert await judge_quality.exclude(session, row, "All pasted.", None)
        assert not await judge_quality.exclude(session, row, "All pasted.", None)
    assert await version() != before
    assert await reasons() == BY_HAND
    assert (await made(database, experiment)).totals["excluded_people"] == 8
    async with database.session.begin() as session:
        row = await session.get_one(Enrolment, eve.id)
        assert await judge_quality.take_back(session, row, "It was their own text.", None)
        assert not await judge_quality.take_back(session, row, "Again.", None)
    assert await reasons() is None
    assert await version() == before
    async with database.session() as session:
        trail = (
            await session.execute(select(Audit.action, Audit.detail).where(Audit.object_id == str(eve.id)))
        ).all()
    assert [tuple(row) for row in trail if "exclu" in row[0]] == [
        ("excluded", {"reason": "All pasted."}),
        ("took back an exclusion", {"reason": "It was their own text.", "excluded_because": "All pasted."}),
    ]


async def test_items_make_no_verdict_and_so_never_enter_accuracy(database: Database) -> None:
    experiment, study = await made_up(database, FEW)
    async with database.session() as session:
        count = await session.scalar(select(func.count()).select_from(Verdict))
        found = await judge_quality.parts_of(session, study.id)
    models = 0
    people = sum(len(part.trials) for part in found)
    result = await made(database, experiment)
    assert sum(len([item for item in part.items if item.item]) for part in found) == 10
    assert people == 16
    assert result.totals["verdicts"] == count == people + models


async def test_work_that_was_given_back_is_counted_by_arm_and_end(database: Database) -> None:
    experiment, _ = await made_up(database, FEW)
    async with database.session() as session:
        sample = await sample_of(session, experiment.id)
    [released] = sample.released
    assert (released.end, released.people, released.verdicts) == ("returned", 1, 1)
    assert sample.studies[0].ends == {"completed": 4, "returned": 1}
    result = await made(database, experiment)
    assert result.figures["parts_not_counted"] == [released]


async def test_an_experiment_without_a_study_has_no_sample(database: Database) -> None:
    from tests.factories import finished

    experiment = await finished(database)
    async with database.session() as session:
        sample = await sample_of(session, experiment.id)
    assert (sample.studies, sample.released, sample.excluded) == ((), (), {})
    assert "excluded_people" not in (await made(database, experiment)).totals
