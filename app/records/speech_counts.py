"""Counts of speeches for reports: suspicious ones, and the scores of chosen candidates."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class SpeechCount:
    """The speeches of an arm that judges read, or will read."""

    arm: str
    speeches: int
    suspicious: int
    """Suspicious speeches."""
    kinds: Mapping[str, int]
    """Speeches by the kind of text found. One speech may have several."""
    words: float | None = None
    """Mean number of words of these speeches in a trial; None where no trial is finished."""

    @property
    def rate(self) -> float | None:
        """Return the share of suspicious speeches; None where there is no speech."""
        return self.suspicious / self.speeches if self.speeches else None

    @property
    def told(self) -> str:
        """Return the kinds in words, such as `instruction 3`."""
        return ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in sorted(self.kinds.items()))


async def speech_counts(session: AsyncSession, experiment: uuid.UUID) -> list[SpeechCount]:
    """Return counts for each arm, in the order of the file, over finished trials."""
    rows = await session.execute(_COUNTS, {"experiment": experiment})
    return [SpeechCount(*row) for row in rows]


_COUNTS = text(
    """
    WITH found AS (
        SELECT trial.arm_id, move.id, move.content->'suspicious' AS kinds, (move.content->>'words')::int AS words
        FROM play AS trial
        CROSS JOIN LATERAL jsonb_path_query(trial.outcome, '$.transcript[*][*]') AS shown (path)
        JOIN move ON move.play_id = trial.id AND move.path = shown.path #>> '{}'
        WHERE trial.experiment_id = :experiment AND trial.kind = 'talk' AND trial.state = 'done'
            AND move.content->>'kind' = 'speech'
    ), kinds AS (
        SELECT arm_id, kind, count(*) AS times
        FROM found CROSS JOIN LATERAL jsonb_array_elements_text(kinds) AS of (kind) GROUP BY arm_id, kind
    )
    SELECT arm.name,
        (SELECT count(*) FROM found WHERE arm_id = arm.id),
        (SELECT count(*) FROM found WHERE arm_id = arm.id AND kinds <> '[]'),
        (SELECT coalesce(jsonb_object_agg(kind, times), '{}') FROM kinds WHERE arm_id = arm.id),
        (SELECT sum(words) FROM found WHERE arm_id = arm.id)::float
            / (SELECT nullif(count(*), 0) FROM play AS trial WHERE trial.arm_id = arm.id AND trial.state = 'done')
    FROM arm WHERE arm.experiment_id = :experiment ORDER BY arm.position
    """
)


async def preferences(session: AsyncSession, experiment: uuid.UUID) -> dict[str, float]:
    """Return by arm the mean belief of the reader of candidates in the chosen ones.

    It covers speeches that argue for an answer. Arms without candidates, or whose readers vote, have none.
    """
    rows = await session.execute(_PREFERENCES, {"experiment": experiment})
    return {str(row[0]): float(row[1]) for row in rows}


_PREFERENCES = text(
    r"""
    WITH candidate AS (
        SELECT trial.arm_id, trial.id, regexp_replace(belief.path, '/c\d+/preference[12]$', '') AS speech,
            avg((belief.content->'p'->>(trial.argues->>speaker.seat)::int)::float) AS score
        FROM play AS trial
        JOIN move AS belief ON belief.play_id = trial.id AND belief.seat = 'preference'
            AND belief.content->>'kind' = 'belief' AND belief.path ~ '/c\d+/preference[12]$'
        JOIN move AS speaker ON speaker.play_id = trial.id
            AND speaker.path = regexp_replace(belief.path, '/preference[12]$', '')
        WHERE trial.experiment_id = :experiment AND trial.state = 'done' AND trial.argues ? speaker.seat
        GROUP BY trial.arm_id, trial.id, speech, speaker.path
    ), chosen AS (
        SELECT arm_id, max(score) AS score FROM candidate GROUP BY arm_id, id, speech
    )
    SELECT arm.name, avg(chosen.score) FROM chosen JOIN arm ON arm.id = chosen.arm_id GROUP BY arm.name
    """
)
