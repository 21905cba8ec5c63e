"""What one judging takes of a model: its calls and tokens."""

import uuid
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

SAMPLE = 2_000
"""Most judgings of a model that are looked at: those with the lowest ids, which are random."""


@dataclass(frozen=True, slots=True)
class JudgingCost:
    """What a model takes for one finished judging, all reading orders together."""

    judgings: int
    """Judgings that it was measured on."""
    calls: float
    """Mean number of calls."""
    tokens: float | None = None
    """Mean tokens of prompt and reply; None where the server counts none."""


async def judging_costs(session: AsyncSession, experiment: uuid.UUID) -> dict[str, JudgingCost]:
    """Return the costs of models by the name under which reports show them. Built-in judges take none, and are left out."""
    rows = await session.execute(_CALLS, {"experiment": experiment, "sample": SAMPLE})
    return {
        row.judge: JudgingCost(row.judgings, float(row.calls), row.tokens and float(row.tokens))
        for row in rows
    }


_CALLS = text(
    """
    WITH ranked AS (
        SELECT judging.id, judging.round_id, judging.judge_id,
            row_number() OVER (PARTITION BY judging.round_id, judging.judge_id ORDER BY judging.id) AS number
        FROM play AS judging JOIN participant ON participant.id = judging.judge_id
        WHERE judging.experiment_id = :experiment AND judging.kind = 'judging' AND judging.state = 'done'
            AND participant.kind = 'model'
    ), looked AS (
        SELECT ranked.id, participant.name || CASE WHEN judging_round.position > 0
            THEN ' (' || judging_round.name || ')' ELSE '' END AS judge
        FROM ranked JOIN participant ON participant.id = ranked.judge_id
            JOIN judging_round ON judging_round.id = ranked.round_id
        WHERE number <= :sample
    ), called AS (
        SELECT looked.id, looked.judge, count(DISTINCT model_call.id) AS calls,
            sum(coalesce(call_attempt.tokens_in, 0) + coalesce(call_attempt.tokens_out, 0)) AS tokens
        FROM looked JOIN model_call ON model_call.play_id = looked.id
            LEFT JOIN call_attempt ON call_attempt.call_id = model_call.id
        GROUP BY looked.id, looked.judge
    )
    SELECT judge, count(*) AS judgings, avg(calls) AS calls, nullif(avg(tokens), 0) AS tokens
    FROM called GROUP BY judge
    """
)
