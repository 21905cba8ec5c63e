"""Parts in studies: places counted under a lock, trials promised and kept, seats kept for the study's people, ends."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest

from app.records import assignment, enrolments, frames, studies
from app.records.database import Database
from app.records.enrolments import Newcomer
from models import Enrolment, Experiment, Study
from tests.factories import finished, judge_on
from tests.records.test_assignment import claimed, for_people, judges, left, rows, wanted

pytestmark = pytest.mark.outside


async def running(database: Database, *names: str, **changes: Any) -> Study:
    """Open a study on experiments that are there."""
    async with database.session.begin() as session:
        study = await studies.add(session, "a-study", {"people": 2}, {"consent": "Agree?"}, None)
        found = await studies.experiments_of(session, names)
        await studies.keep_seats(session, study.id, [found[name].id for name in names])
        await studies.set_state(session, study, "open", None)
        return study


async def joined(
    database: Database, study: Study, who: str, *, wanted: int = 2, trials: int = 2, page: str = "trials"
) -> Enrolment | None:
    """Join as the person with a recruiter's id."""
    async with database.session.begin() as session:
        return await enrolments.join(
            session,
            await session.merge(study, load=False),
            Newcomer("prolific", who, f"submission-{who}", who),
            role="judge",
            wanted=wanted,
            trials=trials,
            page=page,
            time_limit=timedelta(hours=1),
        )


async def ended(database: Database, enrolment: Enrolment, how: str) -> bool:
    """End a part."""
    async with database.session.begin() as session:
        return await enrolments.end(session, await session.get_one(Enrolment, enrolment.id), how)


async def judged(database: Database, enrolment: Enrolment) -> uuid.UUID:
    """Take a trial and judge it."""
    seat = await claimed(database, enrolment.account)
    assert seat is not None
    await judge_on(database, seat)
    return seat


async def verdicts(database: Database, experiment: Experiment) -> int:
    """How many verdicts a report reads."""
    async with database.session() as session:
        talks = await frames.talk_frame(session, experiment.id)
        return (await frames.verdict_frame(session, experiment.id, talks)).height


async def begun(database: Database) -> tuple[Experiment, Study]:
    """Eight trials of an experiment that people judge once each, and a study on it."""
    experiment = await finished(database, data=for_people(judges=wanted()))
    return experiment, await running(database, experiment.name)


async def test_a_study_keeps_its_seats_for_its_people_until_it_is_closed(database: Database) -> None:
    _, study = await begun(database)
    [outsider] = await judges(database, 1)
    assert await left(database, outsider) == 0
    assert await claimed(database, outsider) is None
    ada = await joined(database, study, "ada")
    assert ada is not None
    assert await claimed(database, ada.account) is not None
    async with database.session.begin() as session:
        await studies.set_state(session, await session.merge(study, load=False), "closed", None)
    assert await claimed(database, outsider) is not None


async def test_a_person_gets_as_many_trials_as_were_promised_and_none_before_the_trials(
    database: Database,
) -> None:
    _, study = await begun(database)
    ada = await joined(database, study, "ada", page="consent")
    assert ada is not None
    assert await claimed(database, ada.account) is None
    async with database.session.begin() as session:
        await enrolments.turn_to(session, await session.get_one(Enrolment, ada.id), "trials")
    for _ in range(2):
        await judged(database, ada)
    assert await left(database, ada.account) == 0
    assert await claimed(database, ada.account) is None
    async with database.session() as session:
        assert await enrolments.trials_done(session, ada) == 2
        assert ada.account.participant_id is not None
        assert await assignment.has_finished(session, ada.account.participant_id, "judge")


async def test_two_who_join_at_once_do_not_both_have_the_last_place(database: Database) -> None:
    _, study = await begun(database)
    found = await asyncio.gather(*(joined(database, study, who, wanted=3) for who in "abcdef"))
    assert sum(one is not None for one in found) == 3


async def test_no_more_trials_are_promised_than_there_are(database: Database) -> None:
    experiment, study = await begun(database)
    open_seats = len(await rows(database))
    assert await joined(database, study, "a", trials=open_seats - 1, wanted=9) is not None
    assert await joined(database, study, "b", trials=2, wanted=9) is None
    assert await joined(database, study, "c", trials=1, wanted=9) is not None
    assert experiment.name in (await rows_of_experiments(database))


async def rows_of_experiments(database: Database) -> list[str]:
    """Names of the experiments that a study finds by name."""
    async with database.session() as session:
        return list(await studies.experiments_of(session, ["small", "other"]))


@pytest.mark.parametrize(
    ("how", "counts"), [("completed", True), ("stopped", True), ("returned", False), ("withdrawn", False)]
)
async def test_what_is_not_counted_is_given_back_with_its_place(
    database: Database, how: str, counts: bool
) -> None:
    experiment, study = await begun(database)
    ada = await joined(database, study, "ada", wanted=1)
    assert ada is not None
    before = len(await rows(database))
    done = await judged(database, ada)
    assert await claimed(database, ada.account) is not None
    assert await ended(database, ada, how)
    assert not await ended(database, ada, "completed")
    assert await verdicts(database, experiment) == (1 if counts else 0)
    seats = {row.id: row for row in await rows(database)}
    assert seats[done].state == ("done" if counts else "returned")
    assert len([row for row in seats.values() if row.state == "open"]) == before - counts
    assert await claimed(database, ada.account) is None
    assert (await joined(database, study, "eve", wanted=1) is None) == counts


async def test_the_same_person_comes_back_to_the_same_part(database: Database) -> None:
    _, study = await begun(database)
    ada = await joined(database, study, "ada")
    assert ada is not None
    async with database.session() as session:
        again = await enrolments.of_person(session, study.id, "ada")
        assert again is not None
        assert again.id == ada.id
        assert await enrolments.of_person(session, study.id, "eve") is None
        assert await enrolments.of_person(session, study.id, "") is None


async def test_an_answer_is_stored_once(database: Database) -> None:
    _, study = await begun(database)
    ada = await joined(database, study, "ada")
    assert ada is not None
    async with database.session.begin() as session:
        ada = await session.get_one(Enrolment, ada.id)
        await enrolments.show(session, ada, "comprehension")
        assert await enrolments.answer(session, ada, "comprehension", {"0": 1}, passed=False)
        assert not await enrolments.answer(session, ada, "comprehension", {"0": 0}, passed=True)
        assert await enrolments.answer(session, ada, "comprehension", {"0": 0}, attempt=2, passed=True)
    async with database.session() as session:
        found = await enrolments.steps(session, ada.id, "comprehension")
    assert [(step.attempt, step.answers, step.passed) for step in found] == [
        (1, {"0": 1}, False),
        (2, {"0": 0}, True),
    ]


async def test_texts_have_versions_and_the_newest_is_shown(database: Database) -> None:
    _, study = await begun(database)
    async with database.session.begin() as session:
        assert (await studies.write_text(session, study.id, "consent", "Agree?", None)).version == 1
        assert (await studies.write_text(session, study.id, "consent", "Do you agree?", None)).version == 2
        assert (await studies.texts(session, study.id))["consent"].markdown == "Do you agree?"


async def test_those_who_ran_out_of_time_give_everything_back(database: Database) -> None:
    _, study = await begun(database)
    ada = await joined(database, study, "ada")
    assert ada is not None
    await judged(database, ada)
    async with database.session.begin() as session:
        row = await session.get_one(Enrolment, ada.id)
        assert row.expires_at is not None
        row.expires_at -= timedelta(hours=2)
    async with database.session.begin() as session:
        assert await enrolments.end_overdue(session, study.id) == 1
        assert await enrolments.places_taken(session, study.id) == 0
