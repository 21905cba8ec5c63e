"""Group commit: moves, and attempts at model calls, many in one transaction.

Each entry is durable when its caller goes on. Entries that come during a transaction are written together in
the next one, so that many trials at once need few commits.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.base import Call, Ending
from app.participants.revisions import FIELDS
from app.participants.spending import Use
from app.protocols.core import Move
from app.records import spending
from app.records.database import Database, as_json
from app.records.plays import moves_of
from app.records.spending import Key as SpendingKey
from app.records.spending import SpendingMeter
from app.records.texts import digest, keep

GATHER = 0.01
"""Seconds between two transactions while many write: a commit costs about the same for one entry and for a hundred."""

Key: TypeAlias = tuple[uuid.UUID, str]
"""Play and path of a move."""


@dataclass(slots=True, eq=False)
class _Entry:
    """One thing to write. Exactly one of the first three is set."""

    begun: tuple[uuid.UUID | None, Call, int, str] | None = None
    ended: dict[str, Any] | None = None
    move: tuple[uuid.UUID, uuid.UUID, Move] | None = None
    taken: tuple[SpendingKey, Use] | None = None
    """What an attempt adds to the use of its experiment."""
    written: asyncio.Future[Move | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class GroupCommit:
    """The writer of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Entry] = []
        self._writer: asyncio.Task[None] | None = None
        self.meter = SpendingMeter(database)
        """What this process takes for each experiment."""

    def of(self, play: uuid.UUID | None, experiment: uuid.UUID | None = None) -> "PlayLog":
        """The log of one play, as its participants see it, counted for its experiment; of none, for test calls."""
        return PlayLog(self, play, experiment)

    async def append(self, play: uuid.UUID, participant: uuid.UUID, move: Move) -> Move:
        """Record a move. Where another process was quicker, return its move."""
        kept = await self._write(_Entry(move=(play, participant, move)))
        assert kept is not None
        return kept

    async def begin(
        self,
        play: uuid.UUID | None,
        call: Call,
        attempt: int,
        request_id: str,
        taken: tuple[SpendingKey, Use] | None = None,
    ) -> None:
        """Record an attempt that is about to be sent."""
        await self._write(_Entry(begun=(play, call, attempt, request_id), taken=taken))

    async def end(
        self, request_id: str, ending: Ending, taken: tuple[SpendingKey, Use] | None = None
    ) -> None:
        """Record how an attempt ended."""
        row = {name: getattr(ending, name) for name in ending.__dataclass_fields__}
        named, fingerprint = ((ending.reply or {}).get(field) for field in FIELDS)
        row |= {"answered_as": named, "fingerprint": fingerprint}
        await self._write(_Entry(ended={"request_id": request_id, **row}, taken=taken))

    async def close(self) -> None:
        """Wait until everything is written, including entries of cancelled callers."""
        if self._writer is not None:
            await self._writer

    async def _write(self, entry: _Entry) -> Move | None:
        self._waiting.append(entry)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        # A cancelled caller must not take the entry, or those written with it, along.
        return await asyncio.shield(entry.written)

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                entries, self._waiting = self._waiting, []
                await self._store(entries)
                if len(entries) > 1:
                    await asyncio.sleep(GATHER)
        finally:
            self._writer = None

    async def _store(self, entries: Sequence[_Entry]) -> None:
        """Write entries in one transaction. If one of them cannot be written, write each separately."""
        try:
            async with self._database.session.begin() as session:
                kept = await _insert(session, entries)
                await spending.add(
                    session, self.meter.process, [each.taken for each in entries if each.taken]
                )
        except Exception as error:
            # Any error goes to the caller, because an entry without an answer would wait forever.
            if len(entries) > 1:
                for entry in entries:
                    await self._store([entry])
            else:
                entries[0].written.set_exception(error)
            return
        for entry in entries:
            entry.written.set_result(kept[entry.move[0], entry.move[2].path] if entry.move else None)


@dataclass(frozen=True, slots=True)
class PlayLog:
    """The `CallLog` of one play."""

    writer: GroupCommit
    play: uuid.UUID | None
    experiment: uuid.UUID | None = None
    """Whose use is counted."""
    _sent: dict[str, tuple[SpendingKey, int]] = field(default_factory=dict)
    """By request: for whom it counts, and the characters of its prompt."""

    async def begin(self, call: Call, attempt: int, request_id: str) -> None:
        """See `CallLog`."""
        taken = None
        if self.experiment is not None:
            taken = self.writer.meter.begun(self.experiment, call)
            self._sent[request_id] = taken[0], sum(len(segment.text) for segment in call.segments)
        await self.writer.begin(self.play, call, attempt, request_id, taken)

    async def end(self, request_id: str, ending: Ending) -> None:
        """See `CallLog`."""
        sent = self._sent.pop(request_id, None)
        taken = self.writer.meter.ended(sent[0], ending, sent[1]) if sent else None
        await self.writer.end(request_id, ending, taken)


# ── statements: each writes rows of one kind, given as one JSON array ───────────────────────────────────────────

_CALLS = text("""
    INSERT INTO model_call (id, play_id, path, purpose, endpoint, model, segments, characters, params)
    SELECT * FROM json_to_recordset(:rows) AS given (
        id uuid, play_id uuid, path text, purpose text, endpoint text, model text, segments jsonb,
        characters integer, params jsonb
    )
""")
_ATTEMPTS = text("""
    INSERT INTO call_attempt (call_id, number, request_id)
    SELECT * FROM json_to_recordset(:rows) AS given (call_id uuid, number integer, request_id text)
""")
_ENDINGS = text("""
    UPDATE call_attempt SET
        status = given.status, seconds = given.seconds, http_status = given.http_status, error = given.error,
        reply = given.reply, tokens_in = given.tokens_in, tokens_out = given.tokens_out,
        tokens_cached = given.tokens_cached, answered_as = given.answered_as, fingerprint = given.fingerprint
    FROM json_to_recordset(:rows) AS given (
        request_id text, status text, seconds float8, http_status integer, error text, reply jsonb,
        tokens_in integer, tokens_out integer, tokens_cached integer, answered_as text, fingerprint text
    )
    WHERE call_attempt.request_id = given.request_id
""")
# Sorted, so that two processes that append the same moves wait for each other instead of deadlocking.
_MOVES = text("""
    INSERT INTO move (play_id, path, seat, participant_id, content, fingerprint)
    SELECT * FROM json_to_recordset(:rows) AS given (
        play_id uuid, path text, seat text, participant_id uuid, content jsonb, fingerprint text
    )
    ORDER BY play_id, path
    ON CONFLICT DO NOTHING
    RETURNING play_id, path
""")


async def _insert(session: AsyncSession, entries: Sequence[_Entry]) -> dict[Key, Move]:
    """Write entries; returns the move that counts for each move among them."""
    begun = [entry.begun for entry in entries if entry.begun]
    calls = {call.id: (play, call) for play, call, attempt, _ in begun if attempt == 1}
    if calls:
        await keep(session, {segment.text for _, call in calls.values() for segment in call.segments})
        await _write(session, _CALLS, [_call_row(play, call) for play, call in calls.values()])
    await _write(
        session,
        _ATTEMPTS,
        [
            {"call_id": call.id, "number": attempt, "request_id": request}
            for _, call, attempt, request in begun
        ],
    )
    await _write(session, _ENDINGS, [entry.ended for entry in entries if entry.ended])
    return await _insert_moves(session, [entry.move for entry in entries if entry.move])


async def _write(session: AsyncSession, statement: TextClause, rows: Sequence[Mapping[str, Any]]) -> None:
    """Execute one of the statements, unless there are no rows."""
    if rows:
        await session.execute(statement, {"rows": as_json(rows)})


async def _insert_moves(
    session: AsyncSession, moves: Sequence[tuple[uuid.UUID, uuid.UUID, Move]]
) -> dict[Key, Move]:
    first: dict[Key, tuple[uuid.UUID, uuid.UUID, Move]] = {}
    for item in moves:
        first.setdefault((item[0], item[2].path), item)
    if not first:
        return {}
    rows = as_json([_move_row(*item) for item in first.values()])
    added = {(row.play_id, row.path) for row in await session.execute(_MOVES, {"rows": rows})}
    return {key: item[2] if key in added else await _there(session, key) for key, item in first.items()}


async def put(
    session: AsyncSession, play: uuid.UUID, participant: uuid.UUID, moves: Sequence[Move]
) -> list[Move]:
    """Store moves of a participant in the caller's transaction. A move that is there already stays, and is returned."""
    kept = await _insert_moves(session, [(play, participant, move) for move in moves])
    return [kept[play, move.path] for move in moves]


async def _there(session: AsyncSession, key: Key) -> Move:
    play, path = key
    return (await moves_of(session, play))[path]


def _move_row(play: uuid.UUID, participant: uuid.UUID, move: Move) -> dict[str, Any]:
    return {
        "play_id": play,
        "path": move.path,
        "seat": move.seat,
        "participant_id": participant,
        "content": move.content.model_dump(mode="json"),
        "fingerprint": move.fingerprint,
    }


def _call_row(play: uuid.UUID | None, call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "play_id": play,
        "path": call.path,
        "purpose": call.purpose,
        "endpoint": call.endpoint,
        "model": call.model,
        "segments": [[segment.role, digest(segment.text).hex()] for segment in call.segments],
        "characters": sum(len(segment.text) for segment in call.segments),
        "params": dict(call.params),
    }
