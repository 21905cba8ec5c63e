"""People of Prolific in a browser, from its link to their pay, for each end of a submission; a researcher decides and pays in a browser.

One study with two places, so that a person comes in only if the place of the one before them is free again.
"""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select, text

from app.records import personal_data
from app.records.database import Database
from models import Account, Enrolment, Study
from tests.browser.served import WIDTHS, Served, Stage
from tests.browser.test_participation import COMPLETE, Worker
from tests.processes import Arena
from tests.prolific import TOKEN, FakeProlific
from tests.studies.paid import rows
from tests.web.participation.study import CODES, Opened, hours_pass, item, opened_study, study_file
from tests.web.world import World, opened

REASON = "The question said that the miller turned the key, and you were sure of the smith; both of the checks were answered so."
QUESTION = {
    "question": "Do you see the text?",
    "answers": ["Yes", "No"],
    "right": 1,
    "why": "It is hidden.",
}
FILE = study_file(
    trials=1,
    people=2,
    time_limit=60,
    reward={"amount": "3.00", "currency": "GBP"},
    smaller_pay={"screened_out": "0.30", "failed_checks": "0.20"},
    bonus={"rule": "brier", "most": "1.00"},
    recruiter={"kind": "prolific", "token": "ARENA_KEY_PROLIFIC"},
    pages={"consent": {"text": "You take part freely."}, "comprehension": {"questions": [QUESTION]}},
    checks={"attention": [item("attend")], "failed_ends": 1},
)


@pytest.fixture
async def prolific() -> AsyncIterator[FakeProlific]:
    """Prolific, with the study on it."""
    async with FakeProlific() as started:
        started.add_study("s1", status="ACTIVE")
        yield started


@pytest.fixture
async def study(database: Database) -> AsyncIterator[Opened]:
    """The study, linked with Prolific's."""
    async with opened(database) as site:
        found = await opened_study(site, FILE)
        async with database.session.begin() as db:
            (await db.get_one(Study, found.study.id)).recruiters_study = "s1"
        yield found


@pytest.fixture
def world(study: Opened) -> World:
    """The world around the study."""
    return World(study.site, study.experiment)


@pytest.fixture
def served(world: World, prolific: FakeProlific, database_url: str, tmp_path: Path) -> Iterator[Served]:
    """The arena, which may speak with this Prolific."""
    settings = {
        "DATABASE_URL": database_url,
        "ARENA_PROLIFIC_URL": prolific.url,
        "ARENA_ALLOWED_HOSTS": "127.0.0.0/8",
        "ARENA_KEY_PROLIFIC": TOKEN,
    }
    with Arena(tmp_path / "arena", **settings) as arena:
        yield Served(arena)


class Recruit(Worker):
    """A person of Prolific. Their pages are looked at for faults in `test_participation`."""

    async def looks(self) -> None:
        """Look at nothing."""

    async def to_questions(self, study: Opened, pid: str) -> None:
        """Come by the link, and agree."""
        await self.comes(study, pid)
        await self.press("I agree")

    async def to_all_trials(self, study: Opened, pid: str) -> None:
        """Come by the link, and answer the question on the instructions."""
        await self.to_questions(study, pid)
        await self.answers("No")

    async def ends_with(self, code: str) -> None:
        """Read the code of an end, and the way back to Prolific."""
        await expect(self.page.locator("code.code")).to_have_text(CODES[code])
        back = self.page.get_by_role("button", name="Finish at Prolific")
        await expect(back).to_have_attribute("href", COMPLETE + CODES[code])

    async def ends_without_code(self, heading: str) -> None:
        """Read how it ended, without a code or a link."""
        await expect(self.page.get_by_role("heading", name=heading)).to_be_visible()
        assert await self.page.locator("code.code").count() == 0
        assert await self.page.get_by_role("button", name="Finish at Prolific").count() == 0


def session_of(pid: str) -> str:
    """Prolific's id of the submission of a person."""
    return f"session-of-{pid}"


class Researcher:
    """A researcher on the page of payments."""

    def __init__(self, page: Page, study: Opened) -> None:
        self.page, self.address = page, f"/studies/{study.spec.name}/payments"

    async def looks_at_prolific(self) -> None:
        """Bring the statuses in step."""
        await self.page.goto(self.address)
        await self.press(self.page, "Look at Prolific now")

    async def press(self, place: object, name: str) -> None:
        """Press a button, and see the page without an error."""
        async with self.page.expect_navigation():
            await place.get_by_role("button", name=name).click()  # type: ignore[attr-defined]
        await expect(self.page.get_by_role("alert")).to_have_count(0)
        await expect(self.page.get_by_role("status")).to_have_count(1)

    async def decides(self, pseudonym: str, summary: str, button: str, **filled: str) -> None:
        """Open what there is to decide on a person, fill it in and send it."""
        row = self.page.get_by_role("row").filter(has_text=pseudonym)
        await row.get_by_text(summary).click()
        for name, value in filled.items():
            await row.locator(f"[name={name}]:visible").fill(value)
        await self.press(row, f"{button} {pseudonym}")

    async def refused(self, where: str, **form: str) -> None:
        """Send a form once more, as a second tab would, and see it refused."""
        csrf = await self.page.locator("input[name=csrf_token]").first.input_value()
        answer = await self.page.request.post(f"{self.address}{where}", form={"csrf_token": csrf, **form})
        assert answer.status == 409, await answer.text()


async def pseudonym_of(database: Database, pid: str) -> str:
    """The name under which researchers see a person."""
    found = "SELECT p.name FROM account a JOIN participant p ON p.id = a.participant_id WHERE a.recruiter_id = :pid"
    async with database.session() as db:
        return str(await db.scalar(text(found), {"pid": pid}))


async def ends(database: Database) -> dict[str | None, str | None]:
    """How each person's part ended."""
    async with database.session() as db:
        found = select(Account.recruiter_id, Enrolment.ended_as).join(
            Enrolment, Enrolment.account_id == Account.id
        )
        return {row[0]: row[1] for row in await db.execute(found)}


async def test_every_end_of_a_submission_from_prolifics_link_to_the_pay(
    study: Opened, stage: Stage, prolific: FakeProlific
) -> None:
    database = study.site.database
    researcher = Researcher(await stage.signed_in("alice"), study)

    async def arrives(pid: str) -> Recruit:
        prolific.add(session_of(pid), pid, "ACTIVE", study="s1")
        return Recruit(await stage.newcomer(WIDTHS["phone"]))

    def hands_in(pid: str, status: str = "AWAITING REVIEW") -> None:
        prolific.say(session_of(pid), status)

    # Ada begins, and keeps one of the two places from now on.
    ada = await arrives("ada")
    await ada.to_all_trials(study, "ada")

    screened = await arrives("sam")
    await screened.to_questions(study, "sam")
    for _ in range(2):
        await screened.answers("Yes")
    await screened.ends_with("screened_out")
    hands_in("sam")

    careless = await arrives("fay")
    await careless.to_all_trials(study, "fay")
    await careless.all_trials(wrong="attend")
    await careless.ends_with("failed_checks")
    hands_in("fay")

    returning = await arrives("rita")
    await returning.to_all_trials(study, "rita")
    await returning.press("First trial")
    await returning.judges()
    hands_in("rita", "RETURNED")
    await researcher.looks_at_prolific()
    await returning.page.goto("/part")
    await returning.ends_without_code("Your part is over")

    slow = await arrives("tom")
    await slow.to_all_trials(study, "tom")
    await hours_pass(database, 2)
    await slow.page.goto("/part")
    await slow.ends_without_code("Your time is over")
    hands_in("tom", "TIMED-OUT")

    withdrawing = await arrives("will")
    await withdrawing.to_all_trials(study, "will")
    await withdrawing.page.goto("/part/withdraw")
    await withdrawing.press("Withdraw …")
    await withdrawing.press("Yes, delete and withdraw")
    await withdrawing.ends_without_code("You have withdrawn")
    hands_in("will", "RETURNED")

    # Ada goes on at another device, and the first one follows.
    elsewhere = Recruit(await stage.newcomer(WIDTHS["desktop"]))
    await elsewhere.page.goto(study.link("ada"))
    await elsewhere.press("Begin")
    await elsewhere.all_trials()
    await elsewhere.ends_with("completed")
    await ada.page.goto("/part")
    await ada.ends_with("completed")
    hands_in("ada")

    deleting = await arrives("dora")
    await deleting.to_all_trials(study, "dora")
    await deleting.all_trials()
    await deleting.ends_with("completed")
    hands_in("dora")
    await deleting.page.goto("/part/privacy")
    await deleting.page.get_by_text("Delete my data", exact=True).first.click()
    await deleting.page.get_by_label("Yes, delete my data").check()
    await deleting.press("Delete my data")
    await expect(deleting.page.get_by_text("You asked for your data to be deleted.")).to_be_visible()

    late = Recruit(await stage.newcomer())
    await late.page.goto(study.link("late"))
    assert await late.page.get_by_role("button", name="Begin").count() == 0
    assert await ends(database) == {
        "ada": "completed", "sam": "screened_out", "fay": "failed_checks", "rita": "returned",
        "tom": "timed_out", "will": "withdrawn", "dora": "completed",
    }  # fmt: skip
    await _decided_and_paid(study, researcher, prolific)
    await _deleted(study, researcher, prolific, late)


async def _decided_and_paid(study: Opened, researcher: Researcher, prolific: FakeProlific) -> None:
    """The researcher approves, rejects, asks to return, and pays; a second try of each pays no one again."""
    database = study.site.database
    sam, fay, ada = [await pseudonym_of(database, pid) for pid in ("sam", "fay", "ada")]
    await researcher.looks_at_prolific()
    await researcher.decides(sam, "Ask to return…", "Ask", reason="Screened out: we pay you a bonus.")
    prolific.say(session_of("sam"), "RETURNED")
    await researcher.looks_at_prolific()
    await researcher.decides(fay, "Reject…", "Reject", reason=REASON)
    await researcher.press(researcher.page, "Approve all who completed (2)")
    digest = await researcher.page.locator("input[name=digest]").input_value()
    await researcher.press(researcher.page, "Pay £")
    await researcher.refused("", digest=digest)
    part = next(row for row in await rows(database, "enrolment") if row["review"] == "approved")
    csrf = await researcher.page.locator("input[name=csrf_token]").first.input_value()
    for where, form in (("/review", {"do": "approve", "part": str(part["id"])}), ("/send", {"do": "again"}), ("/send", {"do": "go-on"})):  # fmt: skip
        answer = await researcher.page.request.post(
            f"{researcher.address}{where}", form={"csrf_token": csrf, **form}
        )
        assert answer.ok
    await researcher.looks_at_prolific()
    row = researcher.page.get_by_role("row").filter(has_text=ada)
    await expect(row).to_contain_text("£3.00 base, sent")
    await expect(researcher.page.get_by_role("button", name=re.compile("^Pay"))).to_have_count(0)

    asked = [
        (call.path.split("/")[-3], call.body["action"]) for call in prolific.asked("POST", "/transition/")
    ]
    assert sorted(asked) == [
        (session_of("ada"), "APPROVE"), (session_of("dora"), "APPROVE"), (session_of("fay"), "REJECT"),
    ]  # fmt: skip
    assert prolific.messages == [
        (session_of("sam"), "Screened out: we pay you a bonus."),
        (session_of("fay"), REASON),
    ]
    # Both judged with 90, and were right or wrong: a Brier score of 0.99 or 0.19.
    paid = dict(prolific.paid)
    assert len(prolific.asked("POST", "/pay/")) == 1
    assert len(paid) == len(prolific.paid)
    assert paid.keys() == {session_of(pid) for pid in ("ada", "dora", "sam")}
    assert paid[session_of("sam")] == 30
    assert {paid[session_of(pid)] for pid in ("ada", "dora")} <= {99, 19}
    assert {row["state"] for row in await rows(database, "payment")} == {"sent"}


async def _deleted(study: Opened, researcher: Researcher, prolific: FakeProlific, late: Recruit) -> None:
    """Once she is paid, Dora's data are deleted; her verdict, her sums and her place stay."""
    database = study.site.database
    async with database.session.begin() as db:
        assert (await personal_data.sweep(db)).deleted == 1
    known = await ends(database)
    assert "dora" not in known
    assert known[None] == "completed"
    assert not [
        row for row in await rows(database, "submission") if row["recruiters_id"] == session_of("dora")
    ]
    assert len(await rows(database, "verdict")) == 2
    sent = sorted(row["minor"] for row in await rows(database, "payment"))
    calls = len(prolific.asked("POST"))
    await researcher.looks_at_prolific()
    await expect(researcher.page.get_by_role("button", name=re.compile("^Pay"))).to_have_count(0)
    assert sorted(row["minor"] for row in await rows(database, "payment")) == sent
    assert len(prolific.asked("POST")) == calls
    await late.page.goto(study.link("late"))
    assert await late.page.get_by_role("button", name="Begin").count() == 0
