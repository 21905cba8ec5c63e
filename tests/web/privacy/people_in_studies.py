"""A person with marked words in every place where words are kept, and a look through the whole database for them."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text, update

from app.records import enrolments
from app.records.database import Database
from app.records.people import note
from models import Account, Enrolment, Payment, Study
from tests.web.entered import as_draft
from tests.web.judge.test_routes import asked_path, believe
from tests.web.participation.study import Opened, Person, joined, study_file
from tests.web.participation.study import study_on as opened_on
from tests.web.world import Browser, Site, World

MARK = "q7marker"
"""Stands in every text that is of the person."""
PERSON_ID, SUBMISSION = f"{MARK}-person", f"{MARK}-submission"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A person in a study of Alice's."""

    study: Study
    enrolment: Enrolment
    account: Account
    person: Person

    @property
    def browser(self) -> Browser:
        """Their browser."""
        return self.person.browser

    @property
    def place(self) -> str:
        """The address of their data, for researchers."""
        return f"/studies/{self.study.name}/people/{self.enrolment.id}/data"


async def study_on(world: World, name: str = "ferry-study") -> Opened:
    """Open a study of Alice's on the world's experiment, with every page before the trials and no checks."""
    pages = study_file()["pages"]
    before = {page: pages[page] for page in ("consent", "instructions", "comprehension", "practice")}
    file = study_file(
        name=name,
        title="Ferries",
        experiments=[world.experiment.name],
        people=5,
        pages=before,
        checks={},
        keep_days=30,
        looking=True,
    )
    opened = await opened_on(world.site, world.experiment, file)
    async with world.site.database.session.begin() as db:
        owned = update(Study).where(Study.id == opened.study.id)
        await db.execute(owned.values(owner_id=world.site.cast["alice"].id))
    return opened


async def enrolled(opened: Opened, who: str = PERSON_ID, submission: str = SUBMISSION) -> Enrolled:
    """Come by the recruiter's link, and go on to the trials, with marked reasons in practice."""
    person = await joined(opened, who, SESSION_ID=submission)
    await person.to_practice()
    while (await person.get("/part")).url.path != "/part":
        await person.go_on()
        if person.at.startswith("/seat/"):
            await answer(person, f"practised by {who.partition('-')[0]}")
    async with opened.site.database.session() as db:
        part = await enrolments.of_person(db, opened.study.id, who)
        assert part is not None
    return Enrolled(opened.study, part, part.account, person)


async def answer(person: Person, reason: str) -> None:
    """Answer all that the trial or item before a person asks, with a reason."""
    place = person.at
    while "data-belief" in (await person.browser.get(place)).text:
        sent = await believe(person.browser, place, reason=reason)
        assert sent.status_code == 303


async def leave_marks(site: Site, who: Enrolled) -> None:
    """Judge a trial with a marked reason, begin another, answer pages, be reviewed and paid."""
    person = who.person
    await person.go_on()
    await answer(person, f"So says {MARK} the captain in his log.")
    await person.go_on()
    path = asked_path(await person.browser.get(person.at))
    draft = as_draft({"path": path, "p": ["60", "40"], "reason": f"unsent {MARK}"}, at=5)
    token = {"X-CSRF-Token": person.browser.csrf}
    saved = await person.browser.post(f"{person.at}/draft", json=draft, headers=token)
    assert saved.json()["saved"] == 5
    async with site.database.session.begin() as db:
        part = await db.get_one(Enrolment, who.enrolment.id)
        await enrolments.show(db, part, "questionnaire")
        await enrolments.answer(
            db, part, "questionnaire", {"job": f"{MARK} the baker"}, effort={"typed": MARK}
        )
        await enrolments.show(db, part, "trials", "gold-item")
        await enrolments.answer(db, part, "trials", {"p": [80, 20]}, item="gold-item", passed=True)
        part.review_reason, part.word_hash = f"{MARK} wrote well", f"{MARK}-hash"
        detail = {"scores": [0.5, 0.25], "submission": SUBMISSION, "bonus": {"to": PERSON_ID, "minor": 20}}
        db.add(
            Payment(
                id=uuid.uuid4(),
                enrolment_id=part.id,
                kind="base",
                minor=250,
                currency="GBP",
                detail=detail,
                recruiters_id=SUBMISSION,
            )
        )
        await note(db, site.cast["alice"].id, "approved", "enrolment", part.id, {"submission": SUBMISSION})
        await note(db, who.account.id, "joined", "invite", uuid.uuid4(), {"PROLIFIC_PID": PERSON_ID})


async def change(site: Site, who: Enrolled, **values: Any) -> None:
    """Change columns of a part."""
    async with site.database.session.begin() as db:
        await db.execute(update(Enrolment).where(Enrolment.id == who.enrolment.id).values(**values))


async def paid(site: Site, who: Enrolled) -> None:
    """Let a person be approved and paid."""
    async with site.database.session.begin() as db:
        await db.execute(update(Payment).where(Payment.enrolment_id == who.enrolment.id).values(state="sent"))
    await change(site, who, review="approved")


async def rows(database: Database) -> dict[str, str]:
    """Every row of every table as text, by table, in small letters."""
    async with database.session() as db:
        names = await db.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        found = {}
        for name in sorted(names):
            read = await db.scalars(text(f'SELECT t::text FROM "{name}" t'))
            found[name] = "\n".join(read).lower()
    return found


async def places(database: Database, mark: str = MARK) -> set[str]:
    """Names of the tables in which a text is found, in any column, also as it is written in JSON."""
    return {name for name, body in (await rows(database)).items() if mark in body}


def words_in(content: bytes) -> str:
    """The texts of a JSON document, in small letters."""
    return json.dumps(json.loads(content), ensure_ascii=False).lower()
