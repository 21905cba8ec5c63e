"""The database of the load benchmark: its initial data, and the checks afterwards."""

import uuid
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import psycopg

from app.exchange.importing import take_sample
from app.experiments.freeze import start
from app.experiments.spec import parse_spec
from app.jobs import follow
from app.records import assignment, people, seats
from app.records.database import Database
from app.settings import Settings
from models import Account

PLACES = 5
"""Number of people for each trial."""
SPEC = {
    "name": "load",
    "tasks": {"set": "sample"},
    "participants": {"debater": {"kind": "builtin", "name": "extractive-debater"}},
    "arms": {
        "debate": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "debater"}},
        "consultancy": {
            "protocol": "consultancy",
            "questions": "none",
            "rounds": 1,
            "seats": {"consultants": "debater"},
        },
    },
    "judges": [{"humans": PLACES, "feedback": "score"}],
    "elicit": "each_step",
}


class Sent(NamedTuple):
    """A belief whose submission was acknowledged."""

    judgement: str
    path: str
    reason: str
    """Different for every belief."""


async def furnish(database: Database, settings: Settings, judges: int) -> list[str]:
    """Play an experiment whose transcripts wait for people, and return a session token for each judge."""
    async with database.session.begin() as session:
        await take_sample(session)
        experiment = (await start(session, parse_spec(SPEC))).experiment
    async for _ in follow(database, settings, experiment.id):
        pass
    return [await _judge(database, number) for number in range(judges)]


async def _judge(database: Database, number: int) -> str:
    async with database.session.begin() as session:
        account = Account(id=uuid.uuid4(), name=f"Judge {number}", role="judge")
        session.add(account)
        await session.flush()
        await people.participant_of(session, account)
        await seats.instructed(session, account.id)
        # In hand from the start: else all of them would come for their first at once.
        await assignment.claim(session, account.id, "judge")
        return await people.open_session(session, account.id)


def faults(conninfo: str, sent: Iterable[Sent]) -> dict[str, int]:
    """Return how many acknowledged beliefs are missing or changed, how many rows are doubled, and how many
    quotas are exceeded.
    """
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT seat.id::text, path, content->>'reason' FROM move JOIN seat USING (play_id)"
        ).fetchall()
        there = Counter(Sent(*row) for row in rows)
        paths = Counter((row[0], row[1]) for row in rows)
        [doubled] = _counted(
            connection,
            "SELECT 1 FROM verdict JOIN play ON play.id = play_id WHERE kind = 'judging' GROUP BY play_id",
        )
        [exceeded] = _counted(
            connection,
            "SELECT 1 FROM play WHERE kind = 'judging' AND place > 0 AND state IN ('waiting', 'done') GROUP BY talk_id",
            PLACES,
        )
        [unjudged] = _counted(
            connection,
            "SELECT 1 FROM play j LEFT JOIN verdict v ON v.play_id = j.id WHERE j.kind = 'judging' AND j.place > 0"
            " AND j.state = 'done' AND v.id IS NULL GROUP BY j.id",
            0,
        )
    return {
        "lost beliefs": sum(1 for item in set(sent) if item not in there),
        "doubled beliefs": sum(count - 1 for count in paths.values()),
        "doubled verdicts": doubled,
        "judgements without their verdict": unjudged,
        "trials over their quota": exceeded,
    }


def _counted(connection: psycopg.Connection, groups: str, most: int = 1) -> tuple[int]:
    """Return how many groups have more than `most` rows."""
    query = f"SELECT count(*) FROM ({groups} HAVING count(*) > %s) AS found"  # noqa: S608
    [row] = connection.execute(query.encode(), [most]).fetchall()
    return row
