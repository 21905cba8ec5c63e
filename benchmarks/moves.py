"""The cost of a model call: CPU of the arena and of PostgreSQL, with long prompts and a server that answers at once.

    python -m benchmarks.moves --trials 200
    python -m benchmarks.moves --trials 200 --latency 1 --slots 256

docs/benchmarks.md says how to read the output.
"""

import argparse
import asyncio
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from app.experiments.freeze import start
from app.experiments.spec import parse_spec
from app.jobs import follow
from app.records.database import Database, open_database
from app.settings import Settings
from tests.factories import TASKS, imported, passage
from tests.processes import Records, server_process

CHARACTERS = 24_000
"""Length of a passage: with instructions and transcript a prompt has about 26 kB."""
QUESTIONS = 5
TRIALS_A_QUESTION = 2
SENTENCE = "The harbour master wrote number {} into the book before the tide turned and the crew went home. "
TICKS = os.sysconf("SC_CLK_TCK")


def spec(server: str) -> dict[str, Any]:
    """An experiment of debates and consultancies by one model that judges them, too."""
    model = {"kind": "model", "model": "scripted", "endpoint": "server"}
    return {
        "name": "moves",
        "tasks": {"set": TASKS},
        "endpoints": {"server": {"base_url": server}},
        "participants": {"model": model, "judge": {**model, "temperature": 0}},
        "arms": {
            "debate": {"protocol": "debate", "rounds": 2, "seats": {"debaters": "model"}},
            "consultancy": {
                "protocol": "consultancy",
                "rounds": 2,
                "seats": {"consultant": "model"},
            },
        },
        "judges": ["judge"],
    }


def long_passage(number: int) -> dict[str, Any]:
    """A passage of `CHARACTERS` characters."""
    made = passage(f"Ferry {number}", QUESTIONS)
    filler = "".join(SENTENCE.format(count) for count in range(CHARACTERS // len(SENTENCE)))
    return {**made, "text": f"{made['text']} {filler}"}


def cpu_of_server(postmaster: int) -> float:
    """Return the seconds of CPU of an embedded server: its processes, and those of its that have ended."""
    total = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(entry.name) == postmaster:
                total += sum(map(int, fields[11:15]))
            elif int(fields[1]) == postmaster:
                total += sum(map(int, fields[11:13]))
    return total / TICKS


async def main(options: argparse.Namespace) -> None:
    """Run it, and print the figures."""
    with tempfile.TemporaryDirectory(prefix="arena-moves-", dir="/tmp") as folder, ExitStack() as stack:
        home = Path(folder)
        os.chmod(folder, 0o755)  # noqa: S103 - the system user of the embedded server enters it
        settings = Settings(home=home / "var", DATABASE_URL=None, concurrency=options.slots)
        async with open_database(settings) as database:
            passages = -(-options.trials // (QUESTIONS * TRIALS_A_QUESTION))
            await imported(database, *(long_passage(number) for number in range(passages)))
            server = server_process(home / "server.log", latency=options.latency)
            address = stack.enter_context(server).base_url
            await _measure(database, settings, address, options)


async def _measure(database: Database, settings: Settings, address: str, options: argparse.Namespace) -> None:
    [pid_file] = (settings.home).rglob("postmaster.pid")
    postmaster = int(pid_file.read_text().split()[0])
    async with database.session.begin() as session:
        experiment = (await start(session, parse_spec(spec(address)))).experiment
    began, own, theirs = time.monotonic(), time.process_time(), cpu_of_server(postmaster)
    async for counts in follow(database, settings, experiment.id):
        done = counts
    seconds = time.monotonic() - began
    own, theirs = time.process_time() - own, cpu_of_server(postmaster) - theirs
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    calls = Records(url).count("call_attempt")
    characters = Records(url).one("SELECT avg(characters)::int FROM model_call")
    assert not done.count("failed"), "a trial failed"
    print("| calls | characters of a prompt | arena, ms of CPU a call | PostgreSQL, ms | calls/s |")
    print("|--:|--:|--:|--:|--:|")
    print(
        f"| {calls} | {characters} | {1000 * own / calls:.2f} | {1000 * theirs / calls:.2f} | {calls / seconds:.0f} |"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200, help="talks; each is judged in both orders")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--slots", type=int, default=64, help="requests at once")
    asyncio.run(main(parser.parse_args()))
