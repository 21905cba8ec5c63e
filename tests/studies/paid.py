"""A study at the fake Prolific with people who have judged, for tests of recruiters and of pay."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import enrolments, people, studies
from app.records.database import Database
from app.records.enrolments import Newcomer
from app.services.recruitment import Recruitment
from app.settings import Settings
from app.studies.codes import codes_of
from app.studies.spec import parse_study
from models import Account, Enrolment, Experiment, Study, Submission
from tests.factories import finished, judge_on
from tests.prolific import TOKEN, FakeProlific
from tests.records.test_assignment import claimed, for_people, wanted

SECRET = "a-secret-of-hooks"
VARIABLES = {"ARENA_KEY_PROLIFIC": TOKEN, "ARENA_KEY_HOOKS": SECRET}


def file(**changes: Any) -> dict[str, Any]:
    """The file of a study of two trials that pays 4.50, and a bonus of at most 2.00."""
    return {
        "name": "paid",
        "title": "Judging debates",
        "experiments": ["small"],
        "trials": 2,
        "people": 3,
        "minutes": 20,
        "reward": {"amount": "4.50", "currency": "GBP"},
        "bonus": {"rule": "brier", "most": "2.00"},
        "smaller_pay": {"screened_out": "0.35"},
        "recruiter": {
            "kind": "prolific",
            "token": "ARENA_KEY_PROLIFIC",
            "webhook_secret": "ARENA_KEY_HOOKS",
        },
        **changes,
    }


@dataclass
class Paid:
    """A running study, the fake Prolific that recruits for it, and what is needed to speak with it."""

    database: Database
    experiment: Experiment
    study: Study
    prolific: FakeProlific
    at: Recruitment

    async def joined(self, who: str, *, submission: str = "", status: str = "ACTIVE") -> Enrolment:
        """Let a person of Prolific's join and reach the trials."""
        mine = submission or f"sub{who}"
        if status and mine not in self.prolific.submissions:
            self.prolific.add(mine, who, status)
        async with self.database.session.begin() as db:
            found = await enrolments.join(
                db,
                await db.merge(self.study, load=False),
                Newcomer(self.study.spec["recruiter"]["kind"], who, mine, who),
                role="judge",
                wanted=99,
                trials=2,
                page="trials",
                time_limit=timedelta(hours=1),
            )
        assert found is not None
        return found

    async def judged(self, part: Enrolment) -> uuid.UUID:
        """Let a person judge a trial; they are certain of nothing and right."""
        seat = await claimed(self.database, part.account)
        assert seat is not None
        await judge_on(self.database, seat)
        return seat

    async def ended(self, part: Enrolment, how: str, status: str = "") -> Enrolment:
        """End a part, with another status at Prolific."""
        async with self.database.session.begin() as db:
            await enrolments.end(db, await db.get_one(Enrolment, part.id), how)
        if status:
            self.prolific.say(f"sub{part.account.recruiter_id}", status)
        return part

    async def completed(self, who: str) -> Enrolment:
        """Let a person join, judge all trials and hand in the code."""
        part = await self.joined(who)
        for _ in range(2):
            await self.judged(part)
        return await self.ended(part, "completed", "AWAITING REVIEW")

    async def now(self, part: Enrolment) -> Enrolment:
        """Return a part as it is now."""
        async with self.database.session() as db:
            return await db.get_one(Enrolment, part.id)


@asynccontextmanager
async def paying(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    *,
    there: str = "study1",
    owner: uuid.UUID | None = None,
    experiment: Experiment | None = None,
    **changes: Any,
) -> AsyncIterator[Paid]:
    """Open a study on an experiment that people judge, recruited for by the fake Prolific."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    experiment = experiment or await finished(database, data=for_people(judges=wanted()))
    spec = parse_study(file(**{"experiments": [experiment.name], **changes}))
    async with database.session.begin() as db:
        study = await studies.add(db, spec.name, spec.normalised(), {}, owner)
        study.recruiters_study, study.codes = there, codes_of(spec.recruiter)
        await studies.keep_seats(db, study.id, [experiment.id])
        await studies.set_state(db, study, "open", owner)
    async with FakeProlific() as prolific:
        prolific.add_study("study1")
        settings = Settings(prolific_url=prolific.url)
        monkeypatch.setenv("ARENA_PROLIFIC_URL", prolific.url)
        yield Paid(database, experiment, study, prolific, Recruitment(database, settings, None, (0.0,)))


async def rows(database: Database, table: str, order: str = "1") -> list[Mapping[str, Any]]:
    """Return the rows of a table."""
    async with database.session() as db:
        return [
            dict(row)
            for row in (await db.execute(text(f"SELECT * FROM {table} ORDER BY {order}"))).mappings()
        ]


async def with_people(
    db: AsyncSession, name: str, owner: uuid.UUID, experiment: str, there: str = "", **recruiter: Any
) -> Study:
    """Add a draft with people whose parts have ended in different ways: one of them is approved."""
    spec = parse_study(file(name=name, experiments=[experiment], recruiter=recruiter))
    study = await studies.add(db, name, spec.normalised(), {}, owner)
    study.recruiters_study, study.codes = there, codes_of(spec.recruiter)
    for number, (end, status, review) in enumerate(
        [
            ("completed", "AWAITING REVIEW", None),
            ("completed", "APPROVED", "approved"),
            ("stopped", "AWAITING REVIEW", None),
            ("returned", "RETURNED", None),
        ]
    ):
        account = Account(id=uuid.uuid4(), name=f"{name} {number}", role="judge")
        db.add(account)
        await db.flush()
        await people.participant_of(db, account)
        part = Enrolment(id=uuid.uuid4(), study_id=study.id, account_id=account.id, seed=number)
        part.person_key, part.promised, part.page = uuid.uuid4().bytes * 2, 2, "done"
        part.ended_as, part.ended_at, part.review = end, func.now(), review
        db.add(part)
        await db.flush()
        submission = Submission(
            enrolment_id=part.id, recruiter=spec.recruiter.kind, recruiters_id=f"{name}{number}"
        )
        if there:
            submission.status, submission.reported_at = status, func.now()
        db.add(submission)
    return study
