"""The time and the memory of a report of a million verdicts, of its page and of the Parquet export, beside COPY of the same rows and an accuracy table in
Polars.

    python -m benchmarks.reports --size 0.1

docs/benchmarks.md says how to read the output.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psycopg

from app.exchange.choices import Format, What
from app.records import experiments
from app.records.database import Database, open_database
from app.reports.evidence import evidence_of
from app.reports.facts import facts
from app.reports.report import completed, quick
from app.reports.report_cache import ReportCache
from app.settings import Settings
from benchmarks.verdicts import Size, make

NAME = "made"
GOAL, MEMORY, FIRST = 3.0, 700, 2.0
"""Most times COPY and table together, and most megabytes, that a report or an export may take; most seconds until its page is answered."""

ROWS = """
    SELECT arm.name AS arm, judge.name AS judge, judge.kind, round.name AS round, passage.key AS passage, question.key AS question,
        talk.assignment, talk.replicate, array_position(talk.answers, question.gold) - 1 AS gold, playing.place,
        verdict.reading, verdict.answer_order, verdict.belief[1] AS first, verdict.belief[2] AS second, verdict.beliefs,
        verdict.method, verdict.label_mass, verdict.flags
    FROM verdict JOIN play AS playing ON playing.id = verdict.play_id
        JOIN play AS talk ON talk.id = coalesce(playing.talk_id, playing.id) JOIN arm ON arm.id = talk.arm_id
        JOIN question ON question.id = talk.question_id JOIN passage ON passage.id = question.passage_id
        JOIN participant AS judge ON judge.id = verdict.participant_id
        LEFT JOIN judging_round AS round ON round.id = playing.round_id
    WHERE playing.experiment_id = (SELECT id FROM experiment WHERE name = 'made')
"""
"""Every verdict with what a report needs of it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What one step took."""

    seconds: float
    cpu: float
    """Seconds of processor of this process, without those of PostgreSQL."""


def timed(step: Callable[[], Any]) -> tuple[Any, Measure]:
    """Return what a step returns, and what it took."""
    began, cpu = time.perf_counter(), time.process_time()
    found = step()
    return found, Measure(time.perf_counter() - began, time.process_time() - cpu)


def _peak() -> float:
    """Return the most megabytes that this process has used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ── the floor ───────────────────────────────────────────────────────────────────────────────────────────────────


def floor(conninfo: str) -> dict[str, Any]:
    """Measure COPY of the rows, and the accuracy table of them in Polars."""
    text, copied = timed(lambda: _copy(conninfo))
    _, tabled = timed(lambda: accuracy_table(text))
    return {"COPY of the rows": copied, "accuracy table in Polars": tabled, "peak": _peak()}


def _copy(conninfo: str) -> bytes:
    statement = f"COPY ({ROWS}) TO STDOUT (FORMAT csv, HEADER)".encode()
    with psycopg.connect(conninfo) as connection, connection.cursor().copy(statement) as copy:
        return b"".join(bytes(block) for block in copy)


def accuracy_table(text: bytes) -> pl.DataFrame:
    """Return accuracy by arm and judge: orders averaged, then assignments, replicates and questions."""
    judge = pl.when(pl.col("kind") == "person").then(pl.lit("people")).otherwise("judge")
    p_gold = pl.when(pl.col("gold") == 0).then("first").otherwise("second")
    rows = pl.read_csv(text).lazy().with_columns(judge=judge, right=p_gold)
    right = pl.when(pl.col("right") == 0.5).then(0.5).otherwise((pl.col("right") > 0.5).cast(pl.Float64))
    rows = rows.with_columns(right=right)
    keys = ["arm", "judge", "passage", "question", "replicate", "assignment"]
    for depth in (6, 5, 4, 2):
        rows = rows.group_by(keys[:depth]).agg(pl.col("right").mean())
    return rows.collect()


# ── the report ──────────────────────────────────────────────────────────────────────────────────────────────────


async def whole(database: Database, slow: bool) -> dict[str, Any]:
    """Measure a report: reading, its quick part, and on request what is resampled or fitted."""
    async with database.session() as session:
        experiment = await experiments.find(session, NAME)
        assert experiment is not None
        began, cpu = time.perf_counter(), time.process_time()
        held = await facts(session, experiment)
        read = Measure(time.perf_counter() - began, time.process_time() - cpu)
    evidence, first = timed(lambda: evidence_of(held))
    report, second = timed(lambda: quick(evidence))
    found = {
        "report: reading": read,
        "report: figures": Measure(first.seconds + second.seconds, first.cpu + second.cpu),
        "peak": _peak(),
    }
    if slow:
        _, found["report: resampled and fitted"] = timed(lambda: completed(report, evidence))
    return found


# ── its page ────────────────────────────────────────────────────────────────────────────────────────────────────


async def page(database: Database) -> dict[str, Any]:
    """Measure when a page of the report is answered first, when it has the quick figures, and when all."""
    async with database.session() as session:
        experiment = await experiments.find(session, NAME)
    assert experiment is not None
    reports = ReportCache(database)
    began, cpu = time.perf_counter(), time.process_time()

    def so_far() -> Measure:
        return Measure(time.perf_counter() - began, time.process_time() - cpu)

    present = await reports.opened(experiment)
    found: dict[str, Any] = {"page: first answer": so_far()}
    while present.made is None:
        await asyncio.sleep(1)
        present = await reports.followed(experiment)
    found["page: quick figures"] = so_far()
    while present.step is not None:
        await asyncio.sleep(1)
        present = await reports.followed(experiment)
    return {**found, "page: all figures": so_far(), "peak": _peak()}


# ── the export ──────────────────────────────────────────────────────────────────────────────────────────────────


async def exported(database: Database, home: Path) -> dict[str, Any]:
    """Measure the export of the verdicts as Parquet."""
    # Imported here, so that what exports need does not count as memory of a report.
    from app.exchange.export import export

    async with database.session() as session:
        experiment = await experiments.find(session, NAME)
    assert experiment is not None
    began, cpu = time.perf_counter(), time.process_time()
    await export(database, experiment, What.VERDICTS, Format.PARQUET, home / "verdicts.parquet")
    took = Measure(time.perf_counter() - began, time.process_time() - cpu)
    return {"Parquet export": took, "peak": _peak()}


# ── all of it ───────────────────────────────────────────────────────────────────────────────────────────────────


def _in_a_process(home: Path, part: str) -> dict[str, Any]:
    """Measure a part in a separate process, which has its own peak of memory."""
    command = [sys.executable, "-m", "benchmarks.reports", "--part", part, "--home", str(home)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def _part(home: Path, part: str) -> None:
    async with open_database(Settings(home=home, DATABASE_URL=None)) as database:
        match part:
            case "floor":
                found = floor(database.conninfo)
            case "page":
                found = await page(database)
            case "export":
                found = await exported(database, home)
            case _:
                found = await whole(database, part == "slow")
    as_json = {name: own if isinstance(own, float) else [own.seconds, own.cpu] for name, own in found.items()}
    print(json.dumps(as_json))


async def measure(size: Size, slow: bool) -> None:
    """Make the rows, measure, and print the result as Markdown."""
    with tempfile.TemporaryDirectory(prefix="arena-reports-", dir="/tmp") as folder:
        home = Path(folder)
        async with open_database(Settings(home=home, DATABASE_URL=None)) as database:
            _, made = timed(lambda: make(database.conninfo, NAME, size))
            print(
                f"{size.verdicts:,} verdicts of {size.judges:,} {size.kind} on {size.talks:,} talks, made in {made.seconds:.0f} s\n"
            )
            base = await asyncio.to_thread(_in_a_process, home, "floor")
            report = await asyncio.to_thread(_in_a_process, home, "slow" if slow else "report")
            opened = await asyncio.to_thread(_in_a_process, home, "page")
            written = await asyncio.to_thread(_in_a_process, home, "export")
    _print(base, report, opened, written)


def _print(
    base: dict[str, Any], report: dict[str, Any], opened: dict[str, Any], written: dict[str, Any]
) -> None:
    print("| step | seconds | CPU of the process, s |\n|---|--:|--:|")
    for name, own in {**base, **report, **opened, **written}.items():
        if name != "peak":
            print(f"| {name} | {own[0]:.2f} | {own[1]:.2f} |")
    least = base["COPY of the rows"][0] + base["accuracy table in Polars"][0]
    took = report["report: reading"][0] + report["report: figures"][0]
    print(
        f"\nThe report without resampled figures took {took / least:.2f} × COPY and table ({took:.1f} s and {least:.1f} s; "
        f"at most {GOAL:g} ×), and {report['peak']:.0f} MB (at most {MEMORY}). Its page was first answered after "
        f"{opened['page: first answer'][0]:.1f} s (at most {FIRST:g})."
    )
    own = written["Parquet export"][0]
    print(
        f"The Parquet export took {own / least:.2f} × COPY and table ({own:.1f} s; at most {GOAL:g} ×), and {written['peak']:.0f} MB "
        f"(at most {MEMORY})."
    )


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=float, default=1.0, help="part of a million verdicts")
    parser.add_argument("--judges", choices=("people", "models"), default="people")
    parser.add_argument("--slow", action="store_true", help="also PGR, flip tests and mixed models")
    parser.add_argument(
        "--part", choices=("floor", "report", "slow", "page", "export"), help=argparse.SUPPRESS
    )
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        asyncio.run(_part(asked.home, asked.part))
    else:
        asyncio.run(measure(Size(kind=asked.judges).scaled(asked.size), asked.slow))


if __name__ == "__main__":
    main()
