"""Sees to people who are late in live talks: takes what they have written, or lets the talk do without them.

Every process that serves pages looks every two seconds, and a page looks before it is shown. Each seat is seen to in a
transaction that has locked it, and only if it is still late then: so it does not matter how many processes look, nor
when one of them is killed. What fails for one seat or study is logged, and the others are seen to all the same.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import Engine, Turn
from app.protocols.core import AnyContent, ProtocolError
from app.records import assignment, drafts, enrolments, live, people, plays
from app.records.database import OUTAGE, Database
from app.services import participation
from app.services.participation import Part, spec_of
from app.services.seat_answers import EnteredAnswer, Sent, taken
from models import Enrolment, SeatRow, Trial

log = logging.getLogger(__name__)
EVERY = 2.0
"""Seconds between two looks."""
AGAIN = timedelta(minutes=1)
"""How long what failed is left alone."""
ENTERED = ("text", "p", "pick", "rating")


@asynccontextmanager
async def watching(engine: Engine, database: Database) -> AsyncIterator[None]:
    """Look every so often while the context is open."""
    watcher = asyncio.create_task(_watch(engine, database))
    try:
        yield
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


async def _watch(engine: Engine, database: Database) -> None:
    failed = Failed()
    this = asyncio.current_task()
    while this is not None and not this.cancelling():
        try:
            await look(engine, database, failed)
        except OUTAGE as error:
            database.outage.saw(error)
        except Exception:
            log.exception("Looking for people who are late failed; another look follows")
        await asyncio.sleep(EVERY)


class Failed:
    """What could not be seen to of late, and is left alone for a while: an error must not fill the log."""

    def __init__(self) -> None:
        self._until: dict[uuid.UUID, float] = {}

    def __contains__(self, found: uuid.UUID) -> bool:
        return time.monotonic() < self._until.get(found, 0.0)

    async def alone(self, what: str, found: uuid.UUID, work: Awaitable[int]) -> int:
        """Return how many `work` saw to; 0 where it failed, which is logged. An outage of the database rises."""
        try:
            return await work
        except OUTAGE:
            raise
        except Exception:
            log.exception(
                "Seeing to the %s %s failed: it is tried again in %d s", what, found, AGAIN.total_seconds()
            )
            self._until[found] = time.monotonic() + AGAIN.total_seconds()
            return 0


async def look(engine: Engine, database: Database, failed: Failed | None = None) -> int:
    """See to everybody who is late now, in a turn, a waiting room or a study; return how many they were."""
    failed = failed or Failed()
    async with database.reading() as db:
        found, studies = await live.late(db), await enrolments.running_late(db)
    count = 0
    for seat in found:
        if seat not in failed:
            count += await failed.alone("seat", seat, settle(engine, database, seat))
    for study in studies:
        if study not in failed:
            count += await failed.alone("study", study, _end_parts(database, study))
    return count


async def _end_parts(database: Database, study: uuid.UUID) -> int:
    async with database.session.begin() as db:
        return await enrolments.end_overdue(db, study)


async def settle(engine: Engine, database: Database, seat_id: uuid.UUID) -> bool:
    """See to one seat; False where its holder is not late, or another process was quicker."""
    async with database.session.begin() as db:
        # First the part in the study, as pages do: so that none waits for the other.
        account = await people.account_in(db, seat_id)
        part = None if account is None else await enrolments.of_account(db, account, lock=True)
        found = await plays.load_seat(db, seat_id, lock=True)
        if found is None or not await live.late(db, seat_id):
            return False
        seat, talk = found
        assert isinstance(talk, Trial), "only talks have a time for turns"
        if await live.is_waiting_room(db, talk.id, talk.experiment_id):
            await _let_go(db, seat, talk, part)
            return True
        try:
            turn = await engine.turn(db, seat_id)
        except ProtocolError as error:
            await plays.mark(db, talk, "failed", str(error))
            return True
        assert turn is not None, "the seat is locked"
        await _close(engine, db, turn, talk, part)
    return True


async def _close(engine: Engine, db: AsyncSession, turn: Turn, talk: Trial, part: Enrolment | None) -> None:
    """End a turn whose time is over, or the wait for a partner who did not come."""
    seat = turn.seat
    if turn.due:
        contents = from_drafts(turn, await drafts.find(db, seat.id))
        if contents is None:
            await assignment.leave_late(db, seat, talk)
        else:
            await _submit(engine, db, turn, contents, part)
    elif await live.has_open_seat(db, talk.id):
        await _let_go(db, seat, talk, part)
    else:
        await live.answered(db, seat.id)


async def _let_go(db: AsyncSession, seat: SeatRow, talk: Trial, part: Enrolment | None) -> None:
    """Give a seat back for a person for whom no partner came, and let them go on to the end of the study."""
    await assignment.flag(db, seat.id, {live.NO_PARTNER: True})
    await db.refresh(seat)
    await assignment.leave_late(db, seat, talk)
    if part is not None and part.ended_as is None:
        await participation.let_go(db, Part(part, spec_of(part.study)))


async def _submit(
    engine: Engine,
    db: AsyncSession,
    turn: Turn,
    contents: Mapping[str, AnyContent],
    part: Enrolment | None,
) -> None:
    await engine.submit(db, turn, contents)
    account = None if part is None else part.account_id
    for path in contents:
        if await drafts.close(db, turn.seat.id, path):
            await people.note(
                db, account, "submitted", "seat", turn.seat.id, {"path": path, "time_over": True}
            )


def from_drafts(turn: Turn, entered: Mapping[str, Mapping[str, Any]]) -> Mapping[str, AnyContent] | None:
    """Return what a person has written as answers to all that is due; None where it is not complete, or not valid."""
    answers = []
    for ask, _ in turn.due:
        draft = entered.get(ask.path, {})
        if not draft.get("at"):  # A page that was only looked at is saved too, for the effort.
            return None
        answers.append(EnteredAnswer(path=ask.path, **{key: draft[key] for key in ENTERED if key in draft}))
    outcome = taken(turn, Sent(answers=answers))
    return None if outcome.errors else outcome.contents
