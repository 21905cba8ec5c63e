"""Deleting a person's data leaves the figures as they were: whom the rules leave out stays out."""

from sqlalchemy import select

from app.records.database import Database
from app.services import personal_data
from app.services.personal_data import Person
from app.studies.exclusions import sample_of
from models import Account, Enrolment
from tests.studies.made_up import CAST, made_up, study_file


async def test_a_person_whom_the_rules_leave_out_stays_out_after_a_deletion(database: Database) -> None:
    by_words = [{"flag": "same_reasons"}, {"flag": "pasted"}]
    file = study_file("small", looking=True, exclude=by_words)
    experiment, study = await made_up(database, CAST[2:5], file)
    async with database.session() as session:
        before = (await sample_of(session, experiment.id)).excluded
    assert before
    async with database.session.begin() as session:
        rows = (await session.scalars(select(Enrolment).where(Enrolment.study_id == study.id))).all()
        for row in rows:
            person = Person(await session.get_one(Account, row.account_id), row)
            assert await personal_data.delete(session, person, None, unpaid=True)
    async with database.session() as session:
        after = (await sample_of(session, experiment.id)).excluded
    assert set(after) == set(before)
