"""How long a small experiment waits that was started behind a large one, compared with the same one alone.

    python -m benchmarks.turns --large 6000 --small 40

One worker plays both, with built-in participants. docs/benchmarks.md says what it showed.
"""

import argparse
import asyncio
import math
import tempfile
import time
import uuid
from pathlib import Path

from sqlalchemy import func, select, text

from app.jobs import working
from app.records.database import Database, open_database
from app.records.progress import progress
from app.settings import Settings
from models import Experiment, Trial
from tests.factories import imported, passage, spec, started

LOOK = 0.05
"""Seconds between two looks at how far an experiment is."""


async def begun(database: Database, name: str, trials: int, replicates: int) -> Experiment:
    """Start an experiment of about so many trials of one judgement each."""
    tasks = f"{name}-tasks"
    passages = [passage(f"{name}-{number}") for number in range(trials // (2 * replicates))]
    await imported(database, *passages, name=tasks)
    arms = {"naive": {"protocol": "naive"}}
    return await started(
        database, spec(name=name, tasks={"set": tasks}, arms=arms, judges=["lexical"], replicates=replicates)
    )


async def in_one_line(database: Database) -> None:
    """Have all that is queued done in the order in which it was queued, as before experiments took turns."""
    async with database.session.begin() as session:
        await session.execute(text("UPDATE procrastinate_jobs SET priority = 0 WHERE status = 'todo'"))


async def seconds(database: Database, watched: uuid.UUID, most: float = math.inf) -> tuple[float, float]:
    """Play all that is queued until one experiment is finished. Return when its first play was done, and its last.

    After `most` seconds it stops; what was not done by then has no end (infinity).
    """
    began = time.monotonic()
    first: float | None = None
    async with working(database, Settings()):
        while True:
            async with database.session() as session:
                now = await progress(session, watched)
            since = time.monotonic() - began
            if first is None and now.count("done"):
                first = since
            if now.finished:
                return since if first is None else first, since
            if since > most:
                return math.inf if first is None else first, math.inf
            await asyncio.sleep(LOOK)


async def left(database: Database, experiment: uuid.UUID) -> int:
    """Return the number of trials that are not done."""
    async with database.session() as session:
        waiting = select(func.count()).where(Trial.experiment_id == experiment, Trial.state != "done")
        return await session.scalar(waiting) or 0


async def measure(large: int, small: int, *, one_line: bool, most: float) -> None:
    """Print the times alone and behind, and their ratio."""
    with tempfile.TemporaryDirectory() as home:
        async with open_database(Settings(home=Path(home))) as database:
            alone = await seconds(database, (await begun(database, "alone", small, 1)).id)
            big = await begun(database, "large", large, 10)
            second = await begun(database, "small", small, 1)
            if one_line:
                await in_one_line(database)
            behind = await seconds(database, second.id, most)
            print(f"{small} trials alone: first done after {alone[0]:.1f} s, all after {alone[1]:.1f} s")
            print(
                f"{small} trials behind {large}: first done after {behind[0]:.1f} s, all after {behind[1]:.1f} s "
                f"({behind[1] / alone[1]:.1f} times as long), with {await left(database, big.id)} of the large one's trials left"
            )


def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--large", type=int, default=6000, help="trials of the experiment that is started first"
    )
    parser.add_argument("--small", type=int, default=40, help="trials of the one that is started second")
    parser.add_argument("--one-line", action="store_true", help="as before experiments took turns")
    parser.add_argument("--most", type=float, default=math.inf, help="seconds after which it stops")
    given = parser.parse_args()
    asyncio.run(measure(given.large, given.small, one_line=given.one_line, most=given.most))


if __name__ == "__main__":
    main()
