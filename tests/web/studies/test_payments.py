"""The page of payments, and the events that Prolific sends, over HTTP."""

import csv
import io
import re
from collections.abc import AsyncIterator

import pytest

from app.services.recruitment import EVENTS
from tests.prolific import TOKEN
from tests.studies.paid import SECRET, Paid, paying, rows
from tests.web.world import Browser, World

ADDRESS = "/studies/paid/payments"
REASON = "You left every belief at 50 and gave the same two letters as a reason in each of the trials. We read all of them twice."
TRIALS = {"trials": 2, "people": 3}


@pytest.fixture
async def paid(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Paid]:
    """A study of Alice's that recruits at the fake Prolific."""
    alice = world.site.cast["alice"].id
    async with paying(world.site.database, monkeypatch, owner=alice, experiment=world.experiment) as paid:
        world.site.app.state.settings = paid.at.settings
        yield paid


async def researcher(world: World) -> Browser:
    """Alice's browser."""
    return await world.site.browser("alice")


def plain(html: str) -> str:
    """The words of a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


async def test_a_study_is_recruited_reviewed_and_paid_on_one_page(world: World, paid: Paid) -> None:
    browser = await researcher(world)
    one, two = await paid.completed("ada"), await paid.completed("eve")
    shown = plain((await browser.get(ADDRESS)).text)
    assert "Prolific has reported nothing yet" in shown
    assert "Ready to pay £0.00" in shown
    got = await browser.submit(f"{ADDRESS}/sync")
    assert "2 submissions, 2 of them changed. 0 parts ended." in plain(got.text)
    assert "Rewards to approve £9.00" in plain(got.text)
    got = await browser.submit(f"{ADDRESS}/review", {"do": "approve", "part": one.id})
    assert "Approved." in plain(got.text)
    got = await browser.submit(
        f"{ADDRESS}/review", {"do": "reject", "part": two.id, "reason": REASON, "category": "LOW_EFFORT"}
    )
    assert "Rejected, with your reason." in plain(got.text)
    [digest] = re.findall(r'name="digest" value="(\w+)"', got.text)
    got = await browser.submit(ADDRESS, {"digest": digest})
    assert "Recorded 1 payments. 1 payments were sent." in plain(got.text)
    [(submission, minor)] = paid.prolific.paid
    assert submission == "subada"
    assert f"Paid £{(450 + minor) / 100:.2f}" in plain(got.text)
    got = await browser.submit(ADDRESS, {"digest": digest})
    assert got.status_code == 409
    assert "nothing was paid" in plain(got.text)
    assert len(paid.prolific.paid) == 1


async def test_what_prolific_refuses_is_said_on_the_page_without_the_token(world: World, paid: Paid) -> None:
    browser = await researcher(world)
    await paid.completed("ada")
    await browser.submit(f"{ADDRESS}/sync")
    paid.prolific.say("subada", "RETURNED")
    [part] = await rows(paid.database, "enrolment")
    got = await browser.submit(f"{ADDRESS}/review", {"do": "approve", "part": part["id"]})
    assert got.status_code == 409
    assert "The submission is RETURNED" in plain(got.text)
    got = await browser.submit(f"{ADDRESS}/review", {"do": "reject", "part": part["id"], "reason": "short"})
    assert got.status_code == 422
    assert "at least 100 characters" in plain(got.text)
    for path in (ADDRESS, f"{ADDRESS}/export"):
        assert TOKEN not in (await browser.get(path)).text
    assert TOKEN not in str(await rows(paid.database, "audit"))


async def test_a_cut_off_payment_is_shown_and_gone_on_with(world: World, paid: Paid) -> None:
    browser = await researcher(world)
    part = await paid.completed("ada")
    await browser.submit(f"{ADDRESS}/sync")
    got = await browser.submit(f"{ADDRESS}/review", {"do": "approve", "part": part.id})
    [digest] = re.findall(r'name="digest" value="(\w+)"', got.text)
    paid.prolific.only = "/pay/"
    paid.prolific.faults.append("drop after")
    got = await browser.submit(ADDRESS, {"digest": digest})
    assert got.status_code == 502
    assert "It is not sent again by itself" in plain(got.text)
    assert "asked to be paid" in plain(got.text)
    got = await browser.submit(f"{ADDRESS}/send", {"do": "go-on"})
    assert "Prolific has paid 1 more payments." in plain(got.text)
    assert "Not sure yet" not in plain(got.text)
    assert len(paid.prolific.asked("POST", "/pay/")) == 1


async def test_a_draft_is_made_linked_to_the_join_page_and_published(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = world.site.cast["alice"].id
    async with paying(
        world.site.database, monkeypatch, owner=alice, experiment=world.experiment, there=""
    ) as paid:
        world.site.app.state.settings = paid.at.settings
        browser = await researcher(world)
        got = await browser.submit(f"{ADDRESS}/prolific", {"do": "draft"})
        assert "Prolific has the draft" in plain(got.text)
        [made] = [one for one in paid.prolific.studies.values() if "name" in one]
        assert made["external_study_url"].startswith("http://arena.test/join/")
        got = await browser.submit(f"{ADDRESS}/prolific", {"do": "publish"})
        assert got.status_code == 422
        assert made["status"] == "UNPUBLISHED"
        got = await browser.submit(f"{ADDRESS}/prolific", {"do": "publish", "sure": "true"})
        assert "The study is published" in plain(got.text)
        assert made["status"] == "ACTIVE"


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_file_goes_out_and_comes_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = world.site.cast["alice"].id
    named = {"kind": "mturk", "completed": "=HYPER".removeprefix("=")}
    async with paying(
        world.site.database, monkeypatch, owner=alice, experiment=world.experiment, there="", recruiter=named
    ) as paid:
        browser = await researcher(world)
        await paid.completed("=1+1")
        await paid.completed("eve")
        gone = await paid.joined("ida")
        text = (await browser.get(f"{ADDRESS}/export")).text
        lines = list(csv.DictReader(io.StringIO(text)))
        assert [line["person"] for line in lines] == ["'=1+1", "eve", "ida"]
        assert [(line["end"], line["code"], line["base"]) for line in lines] == [
            ("completed", "HYPER", "4.50"),
            ("completed", "HYPER", "4.50"),
            ("", "", "0.00"),
        ]
        lines[0] |= {"review": "approved", "paid": "yes"}
        lines[1] |= {"review": "rejected", "reason": "'-- no work"}
        lines[2] |= {"status": "Returned"}
        got = await send_back(browser, lines)
        assert "Read 3 lines: 1 statuses changed, 2 reviews, 2 payments." in plain(got.text)
        assert (await paid.now(gone)).ended_as == "returned"
        found = await rows(paid.database, "payment", "kind")
        assert [(row["kind"], row["state"]) for row in found] == [("base", "sent"), ("bonus", "sent")]
        got = await send_back(browser, lines)
        assert "0 statuses changed, 0 reviews, 0 payments" in plain(got.text)


async def send_back(browser: Browser, lines: list[dict[str, str]]):  # type: ignore[no-untyped-def]
    """Bring a file back."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    return await browser.submit(f"{ADDRESS}/import", files={"file": ("paid.csv", out.getvalue())})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"part": "x"}, "there is no part x in this study"),
        ({"review": "maybe"}, "neither approved nor rejected"),
        ({"review": "rejected"}, "a rejection needs one"),
        ({"paid": "perhaps"}, "neither yes nor no"),
    ],
)
async def test_a_file_with_a_wrong_line_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], said: str
) -> None:
    alice = world.site.cast["alice"].id
    async with paying(
        world.site.database,
        monkeypatch,
        owner=alice,
        experiment=world.experiment,
        there="",
        recruiter={"kind": "link"},
    ) as paid:
        browser = await researcher(world)
        for who in ("ada", "eve"):
            await paid.completed(who)
        lines = list(csv.DictReader(io.StringIO((await browser.get(f"{ADDRESS}/export")).text)))
        lines[0]["review"] = "approved"
        lines[1] |= changes
        got = await send_back(browser, lines)
        assert got.status_code == 422
        assert said in plain(got.text)
        assert {row["review"] for row in await rows(paid.database, "enrolment")} == {None}
        assert await rows(paid.database, "payment") == []


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"a,b\n1,2\n", b'part\n"x'])
async def test_what_is_no_file_of_payments_is_refused(world: World, paid: Paid, data: bytes) -> None:
    browser = await researcher(world)
    got = await browser.submit(f"{ADDRESS}/import", files={"file": ("paid.csv", data)})
    assert got.status_code == 422


async def test_a_file_does_not_decide_what_prolific_is_asked_for(world: World, paid: Paid) -> None:
    browser = await researcher(world)
    await paid.completed("ada")
    lines = list(csv.DictReader(io.StringIO((await browser.get(f"{ADDRESS}/export")).text)))
    lines[0]["review"] = "approved"
    got = await send_back(browser, lines)
    assert "Prolific is asked itself" in plain(got.text)


# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_event_over_http_ends_a_part(world: World, paid: Paid) -> None:
    part = await paid.joined("ada")
    paid.prolific.say("subada", "TIMED-OUT")
    body, headers = paid.prolific.event("subada", secret=SECRET)
    recruiter = await world.site.browser()
    got = await recruiter.post(EVENTS, content=body, headers=headers)
    assert (got.status_code, got.json()) == (200, {"taken": True})
    assert (await paid.now(part)).ended_as == "timed_out"
    again = await recruiter.post(EVENTS, content=body, headers=headers)
    assert again.json() == got.json()
    json_only = {"Content-Type": "application/json; charset=utf-8"}
    unsigned = await recruiter.post(EVENTS, content=body, headers=json_only)
    assert unsigned.status_code == 401
    assert (await recruiter.post(EVENTS, content=body)).status_code == 415
    assert SECRET not in unsigned.text


async def test_a_long_event_is_refused_before_it_is_read_to_its_end(world: World, paid: Paid) -> None:
    recruiter = await world.site.browser()
    json_only = {"Content-Type": "application/json"}
    got = await recruiter.post(EVENTS, content=b"x" * (64 * 1024 + 1), headers=json_only)
    assert got.status_code == 413


async def test_an_event_tells_a_stranger_nothing_of_what_is_here(world: World, paid: Paid) -> None:
    await paid.joined("ada")
    recruiter = await world.site.browser()
    answers = set()
    for submission in ("subada", "subnobody"):
        paid.prolific.add(submission, "ada")
        body, headers = paid.prolific.event(submission, secret=SECRET)
        answers.add((await recruiter.post(EVENTS, content=body, headers=headers)).text)
    assert len(answers) == 1
