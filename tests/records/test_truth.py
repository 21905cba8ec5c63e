"""What a study's people are shown afterwards: by the study's rule, and never while any person could still learn from it."""

from typing import Any

import pytest
from sqlalchemy import update

from app.protocols.evidence import spans_of
from app.records import enrolments, studies, truth
from app.records.database import Database
from models import Enrolment, Experiment, Question, SeatRow, Study
from tests.factories import finished, imported, judge_on, passage, started, twins
from tests.records.test_assignment import CONSULTANCY, claimed, for_people, judges, wanted
from tests.records.test_enrolments import ended, joined, judged

pytestmark = pytest.mark.outside

EXPERT = {"expert": {"protocol": "expert"}}


async def studied(database: Database, when: str, humans: int = 1, **changes: Any) -> Study:
    """A study with this rule on an experiment with one question, in which one trial is judged by several people."""
    panel = wanted(humans, feedback="score")
    data = for_people(judges=panel, arms=EXPERT, **changes)
    experiment = await finished(database, passage("Alba", 1), data=data)
    return await on(database, when, experiment)


async def on(database: Database, when: str, *experiments: Experiment) -> Study:
    async with database.session.begin() as session:
        study = await studies.add(session, "a-study", {"people": 9, "feedback": when}, {}, None)
        await studies.keep_seats(session, study.id, [experiment.id for experiment in experiments])
        await studies.set_state(session, study, "open", None)
        return study


async def part(database: Database, study: Study, who: str = "ada", trials: int = 1) -> Enrolment:
    found = await joined(database, study, who, wanted=9, trials=trials)
    assert found is not None
    return found


async def revealed(database: Database, enrolment: Enrolment) -> list[truth.Revealed]:
    async with database.session.begin() as session:
        return await truth.revealed(session, enrolment.account.participant_id)


async def waits(database: Database, enrolment: Enrolment) -> bool:
    async with database.session.begin() as session:
        return await truth.waits(session, enrolment.account.participant_id)


async def turned(database: Database, enrolment: Enrolment, page: str) -> None:
    async with database.session.begin() as session:
        await enrolments.turn_to(session, await session.get_one(Enrolment, enrolment.id), page)


async def test_a_study_that_shows_nothing_rules_over_its_experiments(database: Database) -> None:
    ada = await part(database, await studied(database, "none"))
    await judged(database, ada)
    await turned(database, ada, "done")
    assert await revealed(database, ada) == []
    assert not await waits(database, ada)


async def test_after_each_trial_one_is_told_where_no_one_else_can_learn_it(database: Database) -> None:
    ada = await part(database, await studied(database, "each"))
    seat = await judged(database, ada)
    [verdict] = await revealed(database, ada)
    assert verdict.seat == seat
    assert verdict.answers[verdict.gold] == "The pilot had overslept."
    assert not await waits(database, ada)


async def test_no_one_is_told_while_another_is_still_to_judge_the_passage(database: Database) -> None:
    study = await studied(database, "each", humans=2)
    ada, bob = await part(database, study, "ada"), await part(database, study, "bob")
    await judged(database, ada)
    assert await revealed(database, ada) == []
    assert await waits(database, ada)
    seat = await claimed(database, bob.account)
    assert seat is not None
    assert await revealed(database, ada) == [], "a seat in hand is one to judge"
    await judge_on(database, seat)
    assert len(await revealed(database, ada)) == len(await revealed(database, bob)) == 1
    assert not await waits(database, ada)


@pytest.mark.parametrize("how", ["returned", "timed_out"])
async def test_a_place_that_is_given_back_is_one_to_judge_again(database: Database, how: str) -> None:
    study = await studied(database, "each", humans=2)
    ada, bob = await part(database, study, "ada"), await part(database, study, "bob")
    await judged(database, ada)
    await judged(database, bob)
    assert await ended(database, bob, how)
    assert await revealed(database, ada) == []


async def test_a_seat_on_the_same_text_elsewhere_or_on_its_twin_keeps_the_truth_back(
    database: Database,
) -> None:
    first, second = twins("Alba", 1)
    one = await finished(database, first, second, data=for_people(judges=wanted(), arms=EXPERT))
    study = await on(database, "each", one)
    ada = await part(database, study)
    await judged(database, ada)
    assert await revealed(database, ada) == [], "the twin's trial is open"
    bob = await part(database, study, "bob")
    await judged(database, bob)
    assert len(await revealed(database, ada)) == 1


async def test_an_experiment_outside_of_the_study_keeps_the_truth_back(database: Database) -> None:
    study = await studied(database, "each")
    await started(database, for_people(name="elsewhere", judges=wanted(), arms=CONSULTANCY))
    ada = await part(database, study)
    await judged(database, ada)
    assert await revealed(database, ada) == []
    async with database.session.begin() as session:
        await session.execute(
            update(Experiment).where(Experiment.name == "elsewhere").values(state="cancelled")
        )
    assert len(await revealed(database, ada)) == 1


@pytest.mark.parametrize("over", ["questionnaire", "debriefing", "done"])
async def test_at_the_end_means_after_the_last_trial(database: Database, over: str) -> None:
    ada = await part(database, await studied(database, "end"))
    await judged(database, ada)
    assert await revealed(database, ada) == []
    assert await waits(database, ada)
    await turned(database, ada, over)
    assert len(await revealed(database, ada)) == 1


async def test_who_stops_early_is_told_of_what_they_did(database: Database) -> None:
    ada = await part(database, await studied(database, "end"))
    await judged(database, ada)
    assert await ended(database, ada, "stopped")
    assert len(await revealed(database, ada)) == 1


async def test_who_was_told_gets_no_trial_on_the_text_any_more(database: Database) -> None:
    ada = await part(database, await studied(database, "each"), trials=1)
    await judged(database, ada)
    assert len(await revealed(database, ada)) == 1
    async with database.session.begin() as session:
        await session.execute(update(Enrolment).values(promised=5))
    later = await started(database, for_people(name="later", judges=wanted(2), arms=EXPERT))
    async with database.session.begin() as session:
        await studies.keep_seats(session, ada.study_id, [later.id])
    assert await claimed(database, ada.account) is None
    assert len(await revealed(database, ada)) == 1, "what was shown stays shown"


async def test_judges_outside_of_studies_are_told_as_their_round_says(database: Database) -> None:
    await finished(
        database, passage("Alba", 1), data=for_people(judges=wanted(2, feedback="score"), arms=EXPERT)
    )
    [judge, _] = await judges(database, 2)
    seat = await claimed(database, judge)
    assert seat is not None
    await judge_on(database, seat)
    async with database.session.begin() as session:
        assert len(await truth.revealed(session, judge.participant_id)) == 1
        assert not await truth.waits(session, judge.participant_id)


async def reasons(database: Database, evidence: Any, **changes: Any) -> tuple[truth.Why, SeatRow]:
    """Why the answer of a judged trial is right, where the author marked this."""
    data = for_people(judges=wanted(), **changes)
    experiment = await finished(database, passage("Alba", 1), data=data)
    async with database.session.begin() as session:
        await session.execute(update(Question).values(meta={"evidence": evidence} if evidence else {}))
    ada = await part(database, await on(database, "each", experiment))
    seat = await judged(database, ada)
    async with database.session.begin() as session:
        return await truth.why(session, seat), await session.get_one(SeatRow, seat)


async def test_why_is_what_the_author_marked(database: Database) -> None:
    why, _ = await reasons(database, ["Nobody on board had seen any fog."], arms=EXPERT)
    assert why.marked
    [(start, end)] = why.evidence
    assert why.passage[start:end] == "Nobody on board had seen any fog."


async def test_why_is_else_what_the_side_that_was_right_quoted(database: Database) -> None:
    why, _ = await reasons(database, None, arms={"debate": for_people()["arms"]["debate"]})
    assert not why.marked
    assert why.evidence
    assert list(why.evidence) == sorted(set(why.evidence))
    assert all(why.passage[start:end].strip() for start, end in why.evidence)


async def test_where_no_one_says_why_nothing_is_marked(database: Database) -> None:
    why, _ = await reasons(database, None, arms=EXPERT)
    assert why.evidence == ()
    assert "Alba" in why.passage


async def test_evidence_is_kept_with_its_question(database: Database) -> None:
    line = passage("Alba", 1)
    line["questions"][0]["evidence"] = ["Nobody on board had seen any fog.", [0, 3]]
    await imported(database, line)
    async with database.session() as session:
        meta = (await session.get_one(Question, await session.scalar(Question.__table__.select()))).meta
    assert len(spans_of(line["text"], meta["evidence"])) == 2
