"""How many words each seat of a talk spoke that its judges read."""

import uuid
from collections.abc import Sequence

import polars as pl
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

SCHEMA = {"hash": pl.Int64(), "seat": pl.String(), "words": pl.Int64()}
"""Number of the talk, as in the frame of talks; name of the seat; words of its speeches."""


def no_words() -> pl.DataFrame:
    """Return the frame without a row."""
    return pl.DataFrame(schema=SCHEMA)


async def side_words(session: AsyncSession, experiment: uuid.UUID, arms: Sequence[str]) -> pl.DataFrame:
    """Return the words of each seat of the finished talks of these arms. `SCHEMA` has the columns."""
    if not arms:
        return no_words()
    rows = await session.execute(_WORDS, {"experiment": experiment, "arms": list(arms)})
    return pl.DataFrame([tuple(row) for row in rows], SCHEMA, orient="row")


_WORDS = text(
    """
    SELECT uuid_hash_extended(talk.id, 0), move.seat, sum((move.content->>'words')::int)
    FROM play AS talk JOIN arm ON arm.id = talk.arm_id
    CROSS JOIN LATERAL jsonb_path_query(talk.outcome, '$.transcript[*][*]') AS shown (path)
    JOIN move ON move.play_id = talk.id AND move.path = shown.path #>> '{}'
    WHERE talk.experiment_id = :experiment AND talk.kind = 'talk' AND talk.state = 'done' AND arm.name = ANY(:arms)
        AND move.content->>'kind' = 'speech' AND move.content->>'words' IS NOT NULL
    GROUP BY talk.id, move.seat ORDER BY talk.id, move.seat
    """
)
