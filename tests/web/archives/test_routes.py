"""Archives in the browser and over the API: taken whole, or refused with the line and nothing kept."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from app.records import browse
from app.services import archives
from app.web.security.middleware import MAX_BODY
from models import Audit, Experiment, Participant, Passage, TaskSet, Trial, TrialSummary
from tests.exchange.archives import lines, trial, verdict
from tests.web.fixtures import bearer
from tests.web.world import Browser, Site

TABLES = (Experiment, TaskSet, Passage, Participant, Trial, TrialSummary)


def file_of(*found: Any) -> bytes:
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in found).encode()


async def send(browser: Browser, content: bytes, name: str = "theirs.jsonl", **fields: str) -> httpx.Response:
    return await browser.submit("/archives", fields, files={"file": (name, content)})


async def rows(site: Site) -> list[int]:
    async with site.database.session() as session:
        return [await session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES]


async def test_an_archive_becomes_a_finished_experiment_of_who_brought_it(site: Site) -> None:
    alice, charlie = [await site.browser(name) for name in ("alice", "charlie")]
    answer = await send(alice, file_of(*lines()))
    assert answer.status_code == 200
    assert "is a finished experiment now" in answer.text
    assert "Apart from these, 1 verdict in the round offline." in answer.text
    for place in ("", "/report", "/trials", "/judge"):
        assert (await alice.get(f"/experiments/theirs{place}")).status_code == 200
        assert (await charlie.get(f"/experiments/theirs{place}")).status_code == 404
    again = await send(alice, file_of(*lines()))
    assert "is there already" in again.text
    async with site.database.session() as session:
        [note] = await session.scalars(select(Audit).where(Audit.action == "imported"))
        summaries = await session.scalar(select(func.count()).select_from(TrialSummary))
    assert (note.object_kind, note.detail["trials"]) == ("experiment", 3)
    assert summaries == 3


async def test_only_trials_with_a_flag_are_kept_where_that_is_asked_for(site: Site) -> None:
    alice = await site.browser("alice")
    answer = await send(alice, file_of(*lines()), name="theirs.jsonl", where="in_paper")
    assert answer.status_code == 200
    assert "left out" in answer.text
    unknown = await send(alice, file_of(*lines()), name="other.jsonl", where="nope")
    assert unknown.status_code == 422
    assert "nope" in unknown.text


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ([*lines(), verdict(belief=[0.5, 0.6])], "sum"),
        ([*lines(), verdict(trial="t99")], "t99"),
        ([*lines(), trial("t1")], "t1"),
        ([*lines(), '{"type": "verdict", "tri'], "JSON"),
        (["\x00\x01"], "JSON"),
        ([""], "holds no line"),
    ],
)
async def test_what_is_wrong_is_named_with_its_line_and_nothing_is_kept(
    site: Site, bad: list[Any], says: str
) -> None:
    alice = await site.browser("alice")
    before = await rows(site)
    answer = await send(alice, file_of(*bad))
    assert answer.status_code == 422
    assert "Nothing was imported" in answer.text
    assert says in answer.text
    if len(bad) > 1:
        assert f"<td>{len(bad)}</td>" in answer.text or f"line {len(bad)}" in answer.text
    assert await rows(site) == before


async def test_a_name_that_is_taken_is_refused_alike_whether_one_may_see_it_or_not(site: Site) -> None:
    alice, charlie = [await site.browser(name) for name in ("alice", "charlie")]
    assert (await send(alice, file_of(*lines()))).status_code == 200
    before = await rows(site)
    for browser, content in ((charlie, file_of(*lines())), (alice, file_of(*lines()[:-1]))):
        answer = await send(browser, content)
        assert answer.status_code == 422
        assert "there is another experiment theirs" in answer.text
    assert await rows(site) == before


async def test_the_api_takes_an_archive_and_names_bad_lines(site: Site) -> None:
    stranger = await site.browser("nobody")
    headers = await bearer(site, "alice", "write")
    address = "/api/v1/archives/theirs"
    bad = await stranger.post(address, content=file_of(*lines(), verdict(trial="t99")), headers=headers)
    assert bad.status_code == 422
    assert f"line {len(lines()) + 1}" in bad.json()["error"]
    made = await stranger.post(f"{address}?where=in_paper", content=file_of(*lines()), headers=headers)
    assert made.status_code == 201
    found = made.json()
    assert found["new"]
    assert sum(found["trials"].values()) < 3
    assert found["left_out"]
    async with site.database.session() as session:
        [listed] = (await browse.experiments(session, owner=None, search="theirs", number=1)).rows
    assert listed.state == "finished"


async def test_a_file_that_was_cut_is_refused_and_one_that_says_no_length_is_marked(site: Site) -> None:
    alice = await site.browser("alice")
    about, *others = lines()
    whole = [{**about, "lines": len(others) + 1}, *others]
    before = await rows(site)
    cut = await send(alice, file_of(*whole[:-1]))
    assert cut.status_code == 422
    assert "the file breaks off after this line" in cut.text
    assert await rows(site) == before
    taken = await send(alice, file_of(*whole))
    assert "it cannot be known whether it was cut" not in taken.text
    assert "is there already" in (await send(alice, file_of(*lines()))).text, (
        "its length is no part of what it holds"
    )
    unsaid = await send(alice, file_of(*lines()), name="other.jsonl")
    assert "it cannot be known whether it was cut" in unsaid.text


async def test_a_large_archive_is_taken_or_refused_by_another_process_alike(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process beside this one reads and saves it, so that its requests go on."""
    monkeypatch.setattr(archives, "LARGE", 1)
    monkeypatch.setattr(archives, "_imported", None)
    alice, charlie = [await site.browser(name) for name in ("alice", "charlie")]
    bad = await send(alice, file_of(*lines(), verdict(trial="t99")))
    assert bad.status_code == 422
    assert "t99" in bad.text
    assert str(len(lines()) + 1) in bad.text
    answer = await send(alice, file_of(*lines()))
    assert "is a finished experiment now" in answer.text
    assert (await alice.get("/experiments/theirs/report")).status_code == 200
    headers = await bearer(site, "charlie", "write")
    taken = await charlie.post("/api/v1/archives/theirs", content=file_of(*lines()), headers=headers)
    assert taken.status_code == 409


async def test_an_archive_that_is_too_large_is_refused_unread(site: Site) -> None:
    alice = await site.browser("alice")
    length = {"Content-Length": str(MAX_BODY + 1)}
    for address in ("/archives", "/api/v1/archives/theirs"):
        answer = await alice.post(address, content=b"", headers=length)
        assert answer.status_code == 413
