"""A study for tests: its file, the study opened over an experiment, and a person who goes through its pages."""

import html
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import select, update

from app.records import studies
from app.records.database import Database
from app.services.study_links import join_path
from app.studies.spec import StudySpec, parse_study
from models import Account, Enrolment, Experiment, SeatRow, Study, StudyStep
from tests.factories import finished, passage, spec
from tests.web.entered import as_form
from tests.web.world import Browser, Site

CODES = {"completed": "C-DONE", "screened_out": "C-OUT", "failed_checks": "C-FAILED"}
RIGHT, WRONG = ["90", "10"], ["10", "90"]
REASON = "The quote says so."


def item(key: str, right: int = 0, **more: Any) -> dict[str, Any]:
    """An item whose right answer is the first by default."""
    return {
        "key": key,
        "question": f"Who opened the gate of {key}?",
        "answers": [f"The miller of {key}.", f"The smith of {key}."],
        "right": right,
        "speeches": [
            {
                "speaker": "Debater A",
                "text": "It was the miller: <v_quote>the miller turned the key</v_quote>.",
            },
            {"speaker": "Debater B", "text": "No: <u_quote>the smith had a key too</u_quote>."},
        ],
        **more,
    }


def study_file(**changes: Any) -> dict[str, Any]:
    """The file of a study with every page, two practice items, an attention check and a gold item."""
    pages = {
        "consent": {"text": "You take part **freely**."},
        "instructions": {"text": "Read what is said, and decide."},
        "comprehension": {
            "questions": [
                {
                    "question": "Do you see the text?",
                    "answers": ["Yes", "No"],
                    "right": 1,
                    "why": "It is *hidden* from you.",
                },
                {
                    "question": "What do numbers add up to?",
                    "answers": ["100", "10"],
                    "right": 0,
                    "why": "To a hundred.",
                },
            ]
        },
        "practice": {
            "text": "Two examples.",
            "items": [item("oak", why="The miller *turned the key*."), item("elm")],
        },
        "questionnaire": {
            "text": "Almost there.",
            "fields": [
                {"name": "age", "kind": "number", "label": "Your age", "required": True},
                {
                    "name": "ease",
                    "kind": "scale",
                    "label": "How easy was it?",
                    "choices": ["hard", "fair", "easy"],
                },
                {"name": "thoughts", "kind": "long_text", "label": "Anything else?"},
                {"name": "fluent", "kind": "yes_no", "label": "Do you read English with ease?"},
                {"name": "devices", "kind": "choices", "label": "On what?", "choices": ["phone", "computer"]},
            ],
        },
        "debriefing": {"text": "Half of the speakers argued for what is *wrong*."},
    }
    return {
        "name": "a-study",
        "title": "Who is right?",
        "experiments": ["for-study"],
        "trials": 2,
        "people": 3,
        "minutes": 20,
        "reward": {"amount": "3.00", "currency": "GBP"},
        "recruiter": {"kind": "prolific"},
        "pages": pages,
        "checks": {"attention": [item("attend")], "gold": [item("gold")], "failed_ends": 1},
        **changes,
    }


def bare(**changes: Any) -> dict[str, Any]:
    """The file of a study with nothing but its trials."""
    return study_file(**{"pages": {}, "checks": {}, **changes})


def experiment_file(**changes: Any) -> dict[str, Any]:
    """The file of an experiment that four people judge, after all that was said."""
    arm = spec()["arms"]["debate"]
    file = {"name": "for-study", "arms": {"debate": arm}, "judges": [{"humans": 4}], "elicit": "final"}
    return spec(**{**file, **changes})


@dataclass(frozen=True, slots=True)
class Opened:
    """An open study and its link."""

    site: Site
    study: Study
    experiment: Experiment
    path: str

    @property
    def spec(self) -> StudySpec:
        """Return its file."""
        return parse_study(self.study.spec)

    def link(self, pid: str = "pid-ada", session: str = "") -> str:
        """Return the link with Prolific's parameters of a person."""
        return f"{self.path}?PROLIFIC_PID={pid}&STUDY_ID=s1&SESSION_ID={session or f'session-of-{pid}'}"


async def opened_study(
    site: Site,
    data: Mapping[str, Any] | None = None,
    *,
    state: str = "open",
    passages: int = 4,
    **experiment: Any,
) -> Opened:
    """Play an experiment and open a study on it, as the service of studies does."""
    texts = [passage(f"P{number}", 1) for number in range(passages)]
    played = await finished(site.database, *texts, data=experiment_file(**experiment))
    return await study_on(site, played, data or study_file(), state=state)


async def study_on(
    site: Site, experiment: Experiment, data: Mapping[str, Any], *, state: str = "open"
) -> Opened:
    """Open a study on an experiment that is there."""
    spec = parse_study(data)
    async with site.database.session.begin() as db:
        texts = {page.value: text for page, text in spec.texts.items()}
        study = await studies.add(db, spec.name, spec.normalised(), texts, None)
        await studies.keep_seats(db, study.id, [experiment.id])
        study.codes = CODES
        if state != "draft":
            await studies.set_state(db, study, "open", None)
        if state not in ("draft", "open"):
            await studies.set_state(db, study, state, None)
        return Opened(site, study, experiment, await join_path(db, study))


# ── a person ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Person:
    """A browser on its way through a study."""

    browser: Browser
    seen: list[str] = field(default_factory=list)
    """Pages that they came to."""

    async def get(self, path: str) -> httpx.Response:
        """Follow redirects to a page; the last one is returned."""
        answer = await self.browser.get(path)
        while answer.status_code == 303:
            path = answer.headers["location"].partition("#")[0]
            answer = await self.browser.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        self.seen.append(path)
        return answer

    async def send(self, path: str, /, **data: Any) -> httpx.Response:
        """Send a form, and follow to the page that comes of it; a page of mistakes is returned as it is."""
        answer = await self.browser.submit(path, data)
        return (
            await self.get(answer.headers["location"].partition("#")[0])
            if answer.status_code == 303
            else answer
        )

    async def go_on(self) -> httpx.Response:
        """Press the button of a page without answers."""
        page = await self.get("/part")
        [at] = re.findall(r'name="page" value="(\w+)"', page.text)
        return await self.send("/part/next", page=at)

    @property
    def at(self) -> str:
        """Return the page that they came to last."""
        return self.seen[-1]

    async def agree(self) -> httpx.Response:
        """Consent to the text that is shown."""
        page = await self.get("/part/consent")
        [text] = re.findall(r'name="text" value="(\d+)"', page.text)
        return await self.send("/part/consent", text=text)

    async def to_comprehension(self) -> None:
        """Go on to the questions on the instructions."""
        await self.agree()
        await self.go_on()

    async def to_practice(self) -> None:
        """Go on to practice."""
        await self.to_comprehension()
        await self.send("/part/comprehension", q0="1", q1="0")

    async def to_trials(self, believed: list[str] = RIGHT) -> None:
        """Go on to the trials."""
        await self.to_practice()
        await self.practise(believed)

    async def practise(self, believed: list[str] = RIGHT) -> None:
        """Do the practice items."""
        while (await self.get("/part")).url.path != "/part":
            await self.go_on()
            if self.at.startswith("/seat/"):
                await self.judge(believed)

    async def judge(self, believed: list[str] = RIGHT, **more: Any) -> httpx.Response:
        """Answer the trial or item that is before them, which asks for one belief."""
        page = await self.browser.get(self.at)
        path = re.search(r'name="0.path" value="([^"]+)"', page.text)
        assert path is not None, page.text
        return await self.send(self.at, **as_form({"path": path[1], "p": believed, "reason": REASON}, **more))

    async def all_trials(self, believed: Mapping[str, list[str]] | None = None) -> list[str]:
        """Judge whatever comes; `believed` is by a word of the question. Returns the questions."""
        asked = []
        while (page := await self.get("/part")).url.path == "/part":
            page = await self.go_on()
            asked.append(question(page))
            chosen = next((p for word, p in (believed or {}).items() if word in asked[-1]), RIGHT)
            await self.judge(chosen)
        return asked


def question(page: httpx.Response) -> str:
    """The question on the page of a trial."""
    found = re.search(r'<p class="asked">(.*?)</p>', page.text, re.DOTALL)
    assert found is not None, page.text
    return html.unescape(found[1])


async def joined(opened: Opened, pid: str = "pid-ada", **more: str) -> Person:
    """A person who came by the recruiter's link and began."""
    person = Person(await opened.site.browser())
    await comes(opened, person, pid, **more)
    return person


async def comes(opened: Opened, person: Person, pid: str = "pid-ada", **more: str) -> httpx.Response:
    """Send the form of the link as a person."""
    sent = {"PROLIFIC_PID": pid, "STUDY_ID": "s1", "SESSION_ID": f"session-of-{pid}", **more}
    answer = await person.send(opened.path, **sent)
    if person.seen:
        person.browser.csrf = await csrf_of(answer)
    return answer


async def csrf_of(page: httpx.Response) -> str:
    """The token that forms of a page send."""
    found = re.search(r'name="csrf_token" value="([^"]*)"', page.text)
    return found[1] if found else ""


# ── what is on record ───────────────────────────────────────────────────────────────────────────────────────────


async def enrolments_of(database: Database) -> list[Enrolment]:
    """Every part, in the order of joining."""
    async with database.session() as db:
        return list(await db.scalars(select(Enrolment).order_by(Enrolment.created_at)))


async def steps_of(database: Database, *where: Any) -> list[StudyStep]:
    """Every step, in order."""
    async with database.session() as db:
        return list(await db.scalars(select(StudyStep).where(*where).order_by(StudyStep.id)))


async def seats_in(database: Database, state: str) -> int:
    """How many seats are in a state."""
    async with database.session() as db:
        return len((await db.scalars(select(SeatRow.id).where(SeatRow.state == state))).all())


async def hours_pass(database: Database, hours: int) -> None:
    """Let the time of the newest part run out by so much earlier."""
    newest = select(Enrolment.id).order_by(Enrolment.created_at.desc()).limit(1).scalar_subquery()
    earlier = Enrolment.expires_at - timedelta(hours=hours)
    async with database.session.begin() as db:
        await db.execute(update(Enrolment).where(Enrolment.id == newest).values(expires_at=earlier))


async def account_of(database: Database, enrolment: uuid.UUID) -> Account:
    """The account of a part."""
    async with database.session() as db:
        found = select(Account).join(Enrolment, Enrolment.account_id == Account.id)
        return (await db.scalars(found.where(Enrolment.id == enrolment))).one()
