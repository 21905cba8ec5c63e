"""Task sets in the browser: files brought in or refused whole, sets looked through, gold for researchers only."""

import gzip
import io
import json
import re
import tarfile
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.exchange.importers import IMPORTERS
from app.exchange.task_table import COLUMNS
from app.records import tasks
from app.web.security.middleware import MAX_BODY
from app.web.uploads import MOST_PROBLEMS
from models import Audit, Question
from tests.factories import imported, passage, twins
from tests.web.world import Site

HOSTILE = "<script>alert(1)</script>"


def lines(*rows: Mapping[str, Any] | str) -> bytes:
    """A task file of these lines."""
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()


async def sends(
    site: Site, content: bytes | None, filename: str = "ferries.jsonl", who: str = "alice", **fields: Any
) -> httpx.Response:
    """Send the form with a file, or without one."""
    browser = await site.browser(who)
    files = {} if content is None else {"file": (filename, content)}
    return await browser.submit("/tasks", fields, files=files)


async def sets(site: Site) -> dict[str, int]:
    """Names of task sets to their questions."""
    async with site.database.session() as db:
        return await tasks.task_sets(db)


async def question(site: Site, key: str) -> Question:
    async with site.database.session() as db:
        return (await db.scalars(select(Question).where(Question.key == key))).one()


# ── bringing in ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_file_makes_a_set_of_its_name_and_is_on_the_trail(site: Site) -> None:
    got = await sends(site, lines(passage("Alba"), passage("Brise")))
    assert got.status_code == 200, got.text
    assert "2 passages and 4 questions were added." in got.text
    assert 'href="/experiments/new?set=ferries"' in got.text
    assert await sets(site) == {"ferries": 4}
    async with site.database.session() as db:
        entry = (await db.scalars(select(Audit).where(Audit.action == "imported"))).one()
    assert (entry.account_id, entry.object_id) == (site.cast["alice"].id, "ferries")


async def test_a_file_sent_twice_changes_nothing(site: Site) -> None:
    for _ in range(2):
        got = await sends(site, lines(passage("Alba")), name="twice")
    assert "0 passages and 0 questions were added. 2 questions were there already." in got.text
    assert await sets(site) == {"twice": 2}


async def test_of_a_file_with_bad_lines_nothing_is_kept_and_every_line_is_told(site: Site) -> None:
    content = lines(passage("Alba"), "{", {**passage("Brise"), "title": HOSTILE, "colour": "red"}, "[]")
    got = await sends(site, content, name="kept-name", kind="tasks")
    assert got.status_code == 422
    for line, words in [(2, "not valid JSON"), (3, "colour"), (4, "must hold a JSON object")]:
        assert f"<td>{line}</td>" in got.text
        assert words in got.text
    assert HOSTILE not in got.text
    assert 'value="kept-name"' in got.text
    assert await sets(site) == {}


async def test_bad_lines_are_left_out_where_asked_and_told(site: Site) -> None:
    got = await sends(site, lines(passage("Alba"), "{"), skip_bad="true")
    assert got.status_code == 200
    assert "1 passage and 2 questions were added." in got.text
    assert "not valid JSON" in got.text
    assert await sets(site) == {"ferries": 2}


async def test_a_page_lists_a_bounded_number_of_bad_lines(site: Site) -> None:
    got = await sends(site, lines(*["{"] * (MOST_PROBLEMS + 7)))
    assert got.text.count("not valid JSON") == MOST_PROBLEMS
    assert "and 7 more" in got.text


async def test_a_file_that_differs_from_what_is_there_is_refused(site: Site) -> None:
    await sends(site, lines(passage("Alba")))
    changed = passage("Alba")
    changed["questions"][0].update(gold=1, distractor=0)
    got = await sends(site, lines(changed), skip_bad="true")
    assert got.status_code == 422
    assert "Alba-q1 is there already with another gold" in got.text
    assert (await question(site, "Alba-q1")).gold == 0


@pytest.mark.parametrize(
    ("content", "fields", "sentence"),
    [
        (None, {}, "Choose a file first."),
        (b"", {}, "the file holds no passage"),
        (lines(passage("Alba")), {"name": "a/b"}, "Name the task set with letters"),
        (b"\xff\xfe{", {}, "UTF-16"),
        (b"PK nonsense", {"kind": "quality"}, "truncated or damaged"),
        (b"nonsense", {"kind": "nyu-debates"}, "not a tar archive"),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_a_sentence(
    site: Site, content: bytes | None, fields: dict[str, str], sentence: str
) -> None:
    got = await sends(site, content, **fields)
    assert got.status_code == 422
    assert sentence in got.text
    assert "<form" in got.text
    assert await sets(site) == {}


@pytest.mark.parametrize("filename", ["../../evil name.jsonl", "..", "/etc/passwd", "ü" * 300, "a\\b.jsonl"])
async def test_the_name_of_a_file_is_made_harmless(site: Site, filename: str) -> None:
    got = await sends(site, lines(passage("Alba")), filename)
    [name] = await sets(site) or [""]
    assert (got.status_code, "/" in name) == (200, False) if name else got.status_code == 422


QUALITY = {
    "article_id": "1",
    "set_unique_id": "1_A",
    "batch_num": "1",
    "writer_id": "1",
    "source": "Gutenberg",
    "title": "The lamp",
    "year": 1950,
    "author": "A. Writer",
    "topic": "Sea",
    "article": "Maren saw the pilot at the lamp. " * 20,
    "url": "https://example.org/lamp",
    "license": "CC BY 4.0",
    "questions": [
        {
            "question": "Whom did Maren see?",
            "question_unique_id": "1_A_1",
            "options": ["the pilot", "the mate", "the captain", "nobody"],
            "writer_label": 1,
            "gold_label": 1,
            "validation": [
                {
                    "untimed_annotator_id": "1",
                    "untimed_answer": 1,
                    "untimed_eval1_answerability": 1,
                    "untimed_eval2_context": 3,
                    "untimed_best_distractor": 2,
                }
            ],
            "speed_validation": [{"speed_annotator_id": "2", "speed_answer": 1}],
            "difficult": 0,
        }
    ],
}


async def test_quality_is_taken_as_its_zip_with_the_options_of_the_command_line(site: Site) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("QuALITY.v1.0.1.htmlstripped.dev", lines(QUALITY))
    fields = {"kind": "quality", "quality-split": "dev", "quality-answers": "best-distractor"}
    got = await sends(site, packed.getvalue(), "QuALITY.zip", **fields)
    assert got.status_code == 200, got.text
    assert await sets(site) == {"quality": 1}
    assert (await question(site, "1_A_1")).answers == ["the pilot", "the mate"]
    listed = (await (await site.browser("alice")).get("/tasks")).text
    assert "CC BY 4.0" in listed
    assert "Gutenberg" in listed


async def test_the_nyu_archive_is_read_as_such(site: Site) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        content = gzip.compress(b"no record")
        member = tarfile.TarInfo("debates/official/odd.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    got = await sends(site, packed.getvalue(), "debates.tar.gz", kind="nyu-debates")
    assert got.status_code == 422
    assert "odd.json" in got.text


async def test_the_form_offers_every_importer_with_its_options(site: Site) -> None:
    form = (await (await site.browser("alice")).get("/tasks")).text
    for importer in IMPORTERS.values():
        assert f'<option value="{importer.name}"' in form
        assert all(f'name="{importer.name}-{option.name}"' in form for option in importer.options)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "parchment"}, "There is no importer parchment"),
        ({"kind": "quality", "quality-answers": "some"}, "answers: choose one of"),
    ],
)
async def test_a_form_with_a_choice_that_is_none_is_refused(
    site: Site, fields: dict[str, str], reason: str
) -> None:
    got = await sends(site, b"{}", **fields)
    assert got.status_code == 422
    assert reason in got.text


@pytest.mark.parametrize("who", ["judge", "debater", "nobody"])
async def test_nobody_but_researchers_brings_files_in_or_sees_a_set(site: Site, who: str) -> None:
    await imported(site.database, passage("Alba"))
    identity = (await question(site, "Alba-q1")).id
    browser = await site.browser(who)
    got = await sends(site, lines(passage("Brise")), name="more", who=who)
    pages = [
        await browser.get(path)
        for path in (
            "/tasks",
            "/tasks/ferries",
            "/tasks/ferries/questions",
            f"/tasks/ferries/questions/{identity}",
        )
    ]
    assert {answer.status_code for answer in [got, *pages]} == {303 if who == "nobody" else 403}
    assert not any("overslept" in answer.text for answer in [got, *pages])
    assert await sets(site) == {"ferries": 2}


async def test_a_file_without_the_sessions_token_is_not_taken(site: Site) -> None:
    alice = await site.browser("alice")
    got = await alice.post("/tasks", data={}, files={"file": ("a.jsonl", lines(passage("Alba")))})
    assert got.status_code == 403
    assert await sets(site) == {}


async def test_what_says_that_it_is_too_large_is_refused_unread(site: Site) -> None:
    alice = await site.browser("alice")
    read: list[bytes] = []

    async def pieces() -> AsyncIterator[bytes]:
        read.append(b"--x")
        yield b"--x"

    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(MAX_BODY + 1)}
    got = await alice.post("/tasks", content=pieces(), headers=headers)
    assert (got.status_code, read) == (413, [])
    assert "Content-Security-Policy" in got.headers


# ── looking through ─────────────────────────────────────────────────────────────────────────────────────────────


async def titles(site: Site, path: str, **asked: Any) -> Sequence[str]:
    """The first column of a list."""
    got = await (await site.browser("alice")).get(path, params=asked)
    assert got.status_code == 200, got.text
    cells = got.text.split('<th scope="row"')[1:]
    return [cell.split("</a>")[0].rsplit(">", 1)[1] for cell in cells]


async def test_sets_are_found_by_name_and_lead_to_a_new_experiment(site: Site) -> None:
    for name in ("harbour", "market"):
        await imported(site.database, passage("Alba"), name=name)
    assert await titles(site, "/tasks") == ["harbour", "market"]
    assert await titles(site, "/tasks", q="ARB") == ["harbour"]
    assert await titles(site, "/tasks", q="h%r") == []
    got = await (await site.browser("alice")).get("/tasks/market")
    assert 'href="/experiments/new?set=market"' in got.text


async def test_passages_are_found_by_title_author_and_text(site: Site) -> None:
    await imported(site.database, passage("Alba"), {**passage("Brise"), "author": "Maren Skov"})
    assert await titles(site, "/tasks/ferries") == ["The ferry Alba", "The ferry Brise"]
    for words in ("skov", "FERRY BRISE left"):
        assert await titles(site, "/tasks/ferries", q=words) == ["The ferry Brise"]
    assert await titles(site, "/tasks/ferries", q="_") == []


async def test_a_twin_names_the_passage_whose_twin_it_is(site: Site) -> None:
    got = await sends(site, lines(*twins("Alba")))
    assert "2 passages and 4 questions were added." in got.text
    browser = await site.browser("alice")
    page = (await browser.get("/tasks/ferries")).text
    assert "Alba-twin, twin of Alba<" in page
    assert page.count("twin of") == 1


async def test_questions_are_found_by_words_answers_and_passage(site: Site) -> None:
    await imported(site.database, passage("Alba", 2), passage("Brise", 1))
    path = "/tasks/ferries/questions"
    assert len(await titles(site, path)) == 3
    assert len(await titles(site, path, passage="Alba")) == 2
    assert len(await titles(site, path, q="fog had held")) == 3
    assert len(await titles(site, path, q="2. time")) == 1
    assert await titles(site, path, q="2. time", passage="Brise") == []


async def test_a_question_shows_its_passage_its_answers_and_gold(site: Site) -> None:
    await imported(site.database, {**passage("Alba"), "url": "https://example.org/a", "license": "CC0-1.0"})
    identity = (await question(site, "Alba-q1")).id
    got = (await (await site.browser("alice")).get(f"/tasks/ferries/questions/{identity}")).text
    assert 'gold">The pilot had overslept. <strong>★ gold</strong></li>' in got
    assert "best distractor" in got
    assert "Old Maren, who sold herring" in got
    assert "CC0-1.0" in got
    assert 'href="https://example.org/a"' in got


async def test_a_question_is_there_only_in_its_own_set(site: Site) -> None:
    await imported(site.database, passage("Alba"))
    await imported(site.database, passage("Brise"), name="other")
    identity = (await question(site, "Alba-q1")).id
    alice = await site.browser("alice")
    assert (await alice.get(f"/tasks/other/questions/{identity}")).status_code == 404
    for path in ("", "/questions"):
        assert (await alice.get(f"/tasks/no-such{path}")).status_code == 404


async def test_a_set_whose_name_needs_escaping_is_reached(site: Site) -> None:
    await imported(site.database, passage("Alba"), name="my set & yours?")
    alice = await site.browser("alice")
    listed = (await alice.get("/tasks")).text
    address = listed.split('href="/tasks/my')[1].split('"')[0]
    assert (await alice.get(f"/tasks/my{address}")).status_code == 200


async def test_hostile_text_of_a_file_reaches_pages_as_text(site: Site) -> None:
    line = {**passage("Alba", 1), "title": HOSTILE, "author": HOSTILE, "source": HOSTILE, "license": HOSTILE}
    line["text"] += HOSTILE
    line["meta"] = {HOSTILE: HOSTILE, "more": [HOSTILE]}
    line["questions"][0].update(question=HOSTILE, answers=[HOSTILE, "b"], meta={"why": {"x": HOSTILE}})
    await imported(site.database, line)
    identity = (await question(site, "Alba-q1")).id
    alice = await site.browser("alice")
    for path in ("", "/ferries", "/ferries/questions", f"/ferries/questions/{identity}"):
        got = await alice.get(f"/tasks{path}", params={"q": HOSTILE} if path in ("", "/ferries") else {})
        assert got.status_code == 200
        assert HOSTILE not in got.text
        assert "&lt;script&gt;" in got.text


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_form_says_what_a_table_holds_with_an_example_and_a_template(site: Site) -> None:
    browser = await site.browser("alice")
    page = await browser.get("/tasks")
    for column in COLUMNS:
        assert f"<code>{column.name}</code>" in page.text
    assert "A plank of the deck was rotten" in page.text, "the example"
    link = re.search(r'href="(/static/tasks-template\.csv[^"]*)" download', page.text)
    assert link is not None
    template = await browser.get(link[1])
    assert template.headers["content-type"].startswith("text/csv")
    got = await sends(site, template.content, "template.csv")
    assert "2 passages and 3 questions were added." in got.text
    assert await sets(site) == {"template": 3}


@pytest.mark.parametrize("kind", ["tasks", "csv"])
async def test_a_table_without_the_columns_says_which_are_wanted(site: Site, kind: str) -> None:
    got = await sends(site, b"question,answer\nWhy?,A\n", "mine.csv", kind=kind)
    assert got.status_code == 422
    assert "the first line must name the columns passage, question, right and wrong_1" in got.text
    assert 'href="/static/tasks-template.csv' in got.text
    assert await sets(site) == {}
