"""How long a person had a trial before them, where the panel gives them a time: counted by the database, whatever the browser does."""

import uuid
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Float, cast, extract, func, not_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models import SeatRow

SHOWN, TAKEN = "shown_at", "seconds_taken"
"""Among a seat's flags: when it was first shown (seconds since 1970), and how long it took to the verdict."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The time that a person has, in seconds."""

    allowed: int
    left: float
    """Below 0 once it is over: the verdict is taken all the same, and its time is stored."""


def _now() -> ColumnElement[float]:
    return cast(extract("epoch", func.clock_timestamp()), Float)


async def clock(session: AsyncSession, seat: uuid.UUID, allowed: int) -> Clock:
    """The clock of a judge's seat, started when it is first looked at; `allowed` is what the panel gives, in seconds."""
    await session.execute(
        update(SeatRow)
        .where(SeatRow.id == seat, not_(SeatRow.flags.has_key(SHOWN)))
        .values(flags=SeatRow.flags.op("||")(func.jsonb_build_object(SHOWN, _now())))
        .execution_options(synchronize_session=False)
    )
    spent = await session.scalar(select(_now() - SeatRow.flags[SHOWN].as_float()).where(SeatRow.id == seat))
    assert spent is not None
    return Clock(allowed, allowed - spent)


async def stop(session: AsyncSession, seat: uuid.UUID) -> None:
    """Keep how long the verdict took, the first time; nothing where no clock runs."""
    await session.execute(
        update(SeatRow)
        .where(SeatRow.id == seat, SeatRow.flags.has_key(SHOWN), not_(SeatRow.flags.has_key(TAKEN)))
        .values(
            flags=SeatRow.flags.op("||")(
                func.jsonb_build_object(TAKEN, _now() - SeatRow.flags[SHOWN].as_float())
            )
        )
        .execution_options(synchronize_session=False)
    )
