"""The API's task sets: list and upload."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import func, select

from app.records.paging import PER_PAGE
from models import Audit, Passage, Question, TaskSet
from tests.factories import imported, passage
from tests.web.api.conftest import Programs
from tests.web.world import Site


def lines(*passages: Mapping[str, Any]) -> bytes:
    """A task file."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in passages)


async def questions(site: Site) -> int:
    async with site.database.session() as db:
        return await db.scalar(select(func.count()).select_from(Question)) or 0


async def test_an_upload_adds_and_the_same_again_changes_nothing(site: Site, program: Programs) -> None:
    alice = await program("alice")
    body = lines(passage("Alba"), passage("Brise"))
    first = await alice.post("/tasks/ferries", content=body)
    assert first.status_code == 201
    assert first.json() == {"passages": 2, "questions": 4, "unchanged": 0, "left_out": []}
    again = await alice.post("/tasks/ferries", content=body)
    assert again.json() == {"passages": 0, "questions": 0, "unchanged": 4, "left_out": []}
    async with site.database.session() as db:
        entries = list(await db.scalars(select(Audit).where(Audit.object_kind == "task set")))
    assert [entry.object_id for entry in entries] == ["ferries", "ferries"]


async def test_a_bad_line_refuses_the_whole_unless_it_may_be_skipped(site: Site, program: Programs) -> None:
    alice = await program("alice")
    body = lines(passage("Alba")) + b'{"id": "Brise"}\nnonsense\n'
    refused = await alice.post("/tasks/ferries", content=body)
    assert (refused.status_code, "line 2" in refused.json()["error"]) == (422, True)
    assert "/tmp" not in refused.json()["error"]
    assert await questions(site) == 0
    kept = await alice.post("/tasks/ferries", content=body, params={"skip_bad": "true"})
    assert (kept.status_code, kept.json()["questions"], len(kept.json()["left_out"]) > 1) == (
        201,
        2,
        True,
    )


@pytest.mark.parametrize("name", ["a b", "-x", "%2e%2e", "n" * 101, "a%00b"])
async def test_a_set_has_a_name_that_files_can_use(site: Site, program: Programs, name: str) -> None:
    alice = await program("alice")
    assert (await alice.post(f"/tasks/{name}", content=lines(passage("Alba")))).status_code in (404, 422)
    assert await questions(site) == 0


async def test_what_is_no_task_file_is_refused(site: Site, program: Programs) -> None:
    alice = await program("alice")
    for body in (b"", b"\xff\xfe\x00", b"[]", b"null\n", b'{"id": "a\\u0000b"}\n'):
        answer = await alice.post("/tasks/ferries", content=body)
        assert answer.status_code == 422, body
        assert list(answer.json()) == ["error"]


async def test_an_announced_length_that_is_too_large_is_refused(site: Site, program: Programs) -> None:
    alice = await program("alice")
    headers = {"Content-Length": str(65 * 2**20)}
    assert (await alice.post("/tasks/ferries", content=b"x", headers=headers)).status_code == 413


async def test_sets_are_listed_with_their_questions_in_pages(site: Site, program: Programs) -> None:
    await imported(site.database, passage("Alba"), passage("Brise"))
    async with site.database.session.begin() as db:
        db.add_all(TaskSet(name=f"set{number:03}") for number in range(PER_PAGE))
    alice = await program("alice")
    first = (await alice.get("/tasks")).json()
    second = (await alice.get("/tasks", params={"page": 2})).json()
    assert first["items"][0] == {"name": "ferries", "passages": 2, "questions": 4, "licenses": []}
    counts = (len(first["items"]), first["more"], len(second["items"]), second["more"])
    assert counts == (PER_PAGE, True, 1, False)


async def test_the_list_holds_no_text_and_no_answer(site: Site, program: Programs) -> None:
    await imported(site.database, passage("Alba"))
    text = (await (await program("alice")).get("/tasks")).text
    async with site.database.session() as db:
        assert (await db.scalars(select(Passage.title))).one() not in text
