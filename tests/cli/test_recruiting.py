"""Commands that speak with a recruiter, as processes against the fake Prolific."""

import asyncio
import re
from pathlib import Path

import pytest

from app.records.database import Database
from app.services import recruitment
from tests.processes import Arena
from tests.prolific import TOKEN
from tests.studies.paid import VARIABLES, paying


async def test_a_study_is_synced_and_paid_from_the_command_line(
    database_url: str, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with paying(database, monkeypatch) as paid:
        settings = {"DATABASE_URL": database_url, "ARENA_PROLIFIC_URL": paid.prolific.url, **VARIABLES}
        with Arena(tmp_path / "runs", **settings) as arena:

            async def run(*words: str) -> tuple[int, str, str]:
                ended = await asyncio.to_thread(arena.run, "study", *words)
                assert TOKEN not in ended.out + ended.err
                return ended.code, ended.out, ended.err

            part = await paid.completed("ada")
            said = "1 submissions, 1 of them changed. 0 parts ended.\n"
            assert await run("sync", "paid") == (0, said, "")
            await recruitment.approve(paid.at, None, "paid", part.id)
            code, out, _ = await run("payments", "paid")
            assert (code, paid.prolific.paid) == (0, [])
            assert "base sent" in out
            [sum_] = re.findall(r"Ready £([0-9.]+),", out)
            code, _, err = await run("payments", "paid", "--pay", "99.00")
            assert (code, paid.prolific.paid) == (2, [])
            assert "Nothing was paid" in err
            code, out, err = await run("payments", "paid", "--pay", sum_)
            assert code == 0, err
            assert "Recorded 1 payments; 1 were sent." in out
            assert paid.prolific.paid == [("subada", round(float(sum_) * 100))]
            _, out, _ = await run("events", "paid", "https://arena.example.org/")
            assert "https://arena.example.org/recruiters/prolific/events" in out
            code, out, err = await run("sync", "other")
            assert (code, out) == (2, "")
            assert "There is no study other" in err
