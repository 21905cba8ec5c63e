"""Whether every question of an experiment offers the same two answers, such as yes and no."""

import uuid
from dataclasses import dataclass

import polars as pl
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True, eq=False)
class FixedAnswers:
    """The two answers of every question, and where each talk has the first of them."""

    texts: tuple[str, str]
    """By alphabet."""
    places: pl.DataFrame
    """`hash` of the talk, as in the frame of talks, and `place` of the first text in its answers."""


async def fixed_answers(session: AsyncSession, experiment: uuid.UUID) -> FixedAnswers | None:
    """Return the two answers that all questions of an experiment have; None where questions differ in them."""
    different = (await session.scalars(_TEXTS, {"experiment": experiment})).all()
    if len(different) != 1 or len(different[0]) != 2:
        return None
    first, second = different[0]
    rows = await session.execute(_PLACES, {"experiment": experiment, "first": first})
    schema = {"hash": pl.Int64, "place": pl.Int64}
    return FixedAnswers((first, second), pl.DataFrame([tuple(row) for row in rows], schema, orient="row"))


_TEXTS = text(
    """
    SELECT DISTINCT ARRAY(SELECT answer FROM unnest(question.answers) AS answer ORDER BY answer COLLATE "C")
    FROM question WHERE id IN (
        SELECT question_id FROM play WHERE experiment_id = :experiment AND kind = 'talk'
    ) LIMIT 2
    """
)
_PLACES = text(
    """
    SELECT uuid_hash_extended(talk.id, 0),
        array_position(talk.answers, array_position(question.answers, :first) - 1) - 1
    FROM play AS talk JOIN question ON question.id = talk.question_id
    WHERE talk.experiment_id = :experiment AND talk.kind = 'talk'
    ORDER BY talk.id
    """
)
