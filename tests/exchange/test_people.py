"""Exports say whom reports leave out and why, and give people new pseudonyms where asked for."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.exchange.archive import read_archive
from app.exchange.choices import Document, Format, Kind, Part, What
from app.exchange.options import Options
from app.exchange.outgoing import send_out
from app.records import judge_quality
from app.records.database import Database
from app.studies.exclusions import BY_HAND, sample_of
from models import Account, Enrolment, Experiment, Participant
from tests.studies.made_up import CAST, made_up, study_file

FEW = [one for one in CAST if one.name in ("ada", "dee", "gil")]
PSEUDONYM = re.compile(r"person-[0-9a-f]{8}")


@pytest.fixture
async def judged(database: Database) -> Experiment:
    """Three people judge; the rules leave one out, and a researcher another."""
    experiment, study = await made_up(database, FEW, study_file("small", looking=True))
    async with database.session.begin() as session:
        part = (await judge_quality.parts_of(session, study.id))[-1]
        row = await session.get_one(Enrolment, part.id)
        await judge_quality.exclude(session, row, "a colleague", None)
    return experiment


async def out(database: Database, experiment: Experiment, what: Kind, path: Path, **options: Any) -> str:
    """The text of an export."""
    form = Format.JSONL
    await send_out(database, experiment, what, form, path, Options(**options))
    return await asyncio.to_thread(path.read_text, "utf-8")


async def rows(
    database: Database, experiment: Experiment, what: Kind, path: Path, **options: Any
) -> list[dict[str, Any]]:
    """The rows of a table."""
    return [
        json.loads(line) for line in (await out(database, experiment, what, path, **options)).splitlines()
    ]


@pytest.mark.parametrize("what", [What.VERDICTS, What.BELIEFS])
async def test_verdicts_say_whom_reports_leave_out_and_why(
    database: Database, judged: Experiment, tmp_path: Path, what: What
) -> None:
    async with database.session() as session:
        expected = (await sample_of(session, judged.id)).excluded
    assert sorted(expected.values()) == [BY_HAND, "too_fast, attention_failed"]
    found = await rows(database, judged, what, tmp_path / "rows.jsonl")
    assert {row["judge"]: (row["excluded"], ", ".join(row["excluded_because"])) for row in found} == {
        row["judge"]: (row["judge"] in expected, expected.get(row["judge"], "")) for row in found
    }
    assert {row["excluded"] for row in found} == {True, False}


async def test_weak_labels_count_the_verdicts_of_people_whom_reports_leave_out(
    database: Database, judged: Experiment, tmp_path: Path
) -> None:
    verdicts = await rows(database, judged, What.VERDICTS, tmp_path / "verdicts.jsonl")
    for label in await rows(database, judged, What.WEAK_LABELS, tmp_path / "labels.jsonl"):
        own = [row for row in verdicts if (row["arm"], row["question"]) == (label["arm"], label["question"])]
        left_out = [row for row in own if row["excluded"]]
        assert (label["verdicts"], label["excluded"]) == (len(own), len(left_out))
        assert label["excluded_because"] == sorted(
            {why for row in left_out for why in row["excluded_because"]}
        )
    assert sum(row["excluded"] for row in verdicts) > 0


def names(text: str) -> set[str]:
    """The pseudonyms in a text."""
    return set(PSEUDONYM.findall(text))


@pytest.mark.parametrize("what", [What.VERDICTS, What.BELIEFS, What.TRANSCRIPTS, Document.ARCHIVE])
async def test_fresh_pseudonyms_are_new_in_each_export(
    database: Database, judged: Experiment, tmp_path: Path, what: Kind
) -> None:
    usual = await out(database, judged, what, tmp_path / "usual")
    one = await out(database, judged, what, tmp_path / "one", fresh_pseudonyms=True)
    two = await out(database, judged, what, tmp_path / "two", fresh_pseudonyms=True)
    if what is not What.TRANSCRIPTS:
        assert len(names(usual)) == len(names(one)) == len(names(two)) == 3
    assert not names(usual) & names(one)
    assert not names(one) & names(two)
    if what is not Document.ARCHIVE:
        assert bare(usual) == bare(one)


def bare(table: str) -> list[dict[str, Any]]:
    """The rows of a table without names and digests of people."""
    found = [json.loads(PSEUDONYM.sub("someone", line)) for line in table.splitlines()]
    return [{key: value for key, value in row.items() if key != "judge_digest"} for row in found]


async def test_no_digest_and_no_id_of_a_person_is_in_an_export_with_fresh_pseudonyms(
    database: Database, judged: Experiment, tmp_path: Path
) -> None:
    async with database.session() as session:
        digests = {
            row["judge_digest"] for row in await rows(database, judged, What.VERDICTS, tmp_path / "usual")
        }
        ids = {str(one) for one in await session.scalars(select(Account.id))}
        ids |= {str(one) for one in await session.scalars(select(Participant.id))}
        ids |= set(await session.scalars(select(Participant.digest).where(Participant.kind == "person")))
    for what in (What.VERDICTS, What.BELIEFS, What.TRANSCRIPTS, Document.ARCHIVE):
        text = await out(database, judged, what, tmp_path / what.value, fresh_pseudonyms=True)
        assert [one for one in ids | digests if one in text] == [], what


async def test_an_archive_with_fresh_pseudonyms_is_imported_with_the_same_number_of_people(
    database: Database, judged: Experiment, tmp_path: Path
) -> None:
    await out(database, judged, Document.ARCHIVE, tmp_path / "archive.jsonl", fresh_pseudonyms=True)
    archive = read_archive(tmp_path / "archive.jsonl")
    assert archive.problems == ()
    assert len([who for who in archive.participants if who.kind == "person"]) == 3
    without = await out(
        database,
        judged,
        Document.ARCHIVE,
        tmp_path / "none.jsonl",
        fresh_pseudonyms=True,
        without={Part.PEOPLE},
    )
    assert names(without) == set()
