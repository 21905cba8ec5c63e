"""The verdicts of an experiment for exports: read by one COPY in their order, a bounded piece at a time.

A verdict's row names its talk, judge and round by number. What is known of those is read once, before: see `Setting`.
"""

import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.judge_fields import FIELDS, KNOWS_STORY
from app.protocols.marks import MARKING
from app.records.drafts import SIGNALS
from app.records.frames import copied, copied_pieces, key_of
from app.records.timing import TAKEN
from models import Arm, JudgingRound, Participant, Trial


@dataclass(frozen=True, slots=True)
class Setting:
    """What the rows of verdicts have in common."""

    arms: Sequence[Arm]
    rounds: Sequence[JudgingRound]
    judges: pl.DataFrame
    """Every participant: `who` (hash of the id), `name`, `kind`, `digest`."""
    talks: pl.DataFrame
    """Every talk, by `position`: `TALK` has the types."""
    answers: int
    """The most answers of a question."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some verdicts, in the order of talk, round, judge's name and reading, with what they have in common."""

    rows: pl.DataFrame
    """`_verdict_kinds` has the types."""
    setting: Setting


TALK: dict[str, Any] = {
    "position": pl.Int64(),
    "arm_id": pl.Categorical(),
    "trial_id": pl.String(),
    **dict.fromkeys(("passage", "family", "question"), pl.Categorical()),
    **dict.fromkeys(("question_text", "answers"), pl.String()),
    **dict.fromkeys(("gold", "assignment", "replicate"), pl.Int64()),
    "argues": pl.Categorical(),
    "seed": pl.Int64(),
    "measures": pl.String(),
    "known": pl.Boolean(),
}
"""The types of a talk. `answers`, `argues` and `measures` are JSON; `measures` is there where it has a penalty or grades. `known` says
whether a person who judged in the talk knows the story.
"""

_TALKS = f"""
    SELECT talk.position, talk.arm_id, talk.id, passage.key, coalesce(first.key, passage.key), question.key, question.text,
        (SELECT json_agg(question.answers[own + 1] ORDER BY place)
            FROM unnest(talk.answers) WITH ORDINALITY AS each (own, place)),
        array_position(talk.answers, question.gold) - 1, talk.assignment, talk.replicate, talk.argues, talk.seed,
        CASE WHEN talk.outcome->'measures' @? '$.keyvalue() ? (@.key == "penalty" || @.key starts with "grade/")'
            THEN talk.outcome->'measures' END,
        EXISTS (
            SELECT 1 FROM seat JOIN move ON move.play_id = seat.play_id AND move.participant_id = seat.participant_id
            WHERE seat.play_id = talk.id AND seat.role = 'judge' AND (seat.flags->>'{KNOWS_STORY.name}')::boolean
        )::text
    FROM play AS talk JOIN question ON question.id = talk.question_id JOIN passage ON passage.id = question.passage_id
        LEFT JOIN passage AS first ON first.id = passage.twin_of
    WHERE talk.experiment_id = %s AND talk.kind = 'talk'
    ORDER BY talk.position
"""  # noqa: S608 - nothing of it comes from outside


def field_column(name: str) -> str:
    """Return the column of a piece with what a person entered in a field, as text."""
    return f"field_{name}"


def _verdict_kinds(answers: int) -> dict[str, Any]:
    """Return the types of a piece's rows. Questions have up to `answers` answers."""
    return {
        "position": pl.Int64,
        "judging": pl.Boolean,
        "round_position": pl.Int64,
        "who": pl.Int64,
        "play_id": pl.String,
        "reading": pl.Int64,
        **dict.fromkeys(("reading_order", "method"), pl.Categorical),
        "label_mass": pl.Float64,
        **dict.fromkeys(("reason", "said", "bounds"), pl.String),
        "flags": pl.Categorical,
        "created_at": pl.Int64,
        "path": pl.String,
        "seconds_allowed": pl.Int64,
        "seconds_taken": pl.Float64,
        **{field_column(field.name): pl.String for field in FIELDS},
        **dict.fromkeys(("moves", "drafts"), pl.String),
        **{f"belief_{place}": pl.Float64 for place in range(answers)},
    }


def _verdicts(answers: int) -> str:
    """Return the SQL of the verdicts; questions have up to `answers` answers.

    What belongs to a single verdict is looked up after sorting, so that little is sorted.
    """
    beliefs = ", ".join(f"belief[{place + 1}]" for place in range(answers))
    own = [(field.name, field_column(field.name)) for field in FIELDS]
    entered = ", ".join(f"seat.flags->>'{name}' AS {column}" for name, column in own)
    fields = ", ".join(column for _, column in own)
    return f"""
        SELECT position, judging::text, round_position, who, play_id, reading, answer_order, method, label_mass, reason,
            to_json(said), bounds, flags, created_at, path, seconds, taken, {fields},
            CASE WHEN judging THEN (
                SELECT json_build_array(
                    json_agg(json_build_array(path, content->'text') ORDER BY id) FILTER (WHERE content->>'kind' = 'thought'),
                    json_agg(json_build_array(path, content->'index') ORDER BY length(path), path)
                        FILTER (WHERE starts_with(path, '{MARKING}')))
                FROM move
                WHERE move.play_id = found.play_id AND (starts_with(path, '{MARKING}')
                    OR starts_with(path, 'judging/order' || reading || '/') AND content->>'kind' = 'thought')
                HAVING count(*) > 0
            ) END,
            CASE WHEN seat_id IS NOT NULL THEN (
                SELECT json_agg(json_build_array(path, active_seconds, focus_changes, edits, {", ".join(SIGNALS)}) ORDER BY id)
                FROM draft WHERE draft.seat_id = found.seat_id
            ) END, {beliefs}
        FROM (
            SELECT talk.position, playing.kind = 'judging' AS judging, panel.position AS round_position,
                {key_of("verdict.participant_id")} AS who, verdict.play_id, verdict.reading, verdict.answer_order, verdict.method,
                verdict.label_mass, verdict.reason, verdict.said, verdict.bounds, verdict.flags,
                (extract(epoch FROM verdict.created_at) * 1000000)::bigint AS created_at, verdict.belief,
                CASE WHEN verdict.beliefs <> jsonb_build_array(to_jsonb(verdict.belief)) THEN verdict.beliefs END AS path,
                seat.id AS seat_id, seat.seconds, seat.flags->>'{TAKEN}' AS taken, {entered}
            FROM verdict JOIN play AS playing ON playing.id = verdict.play_id
                JOIN play AS talk ON talk.id = coalesce(playing.talk_id, playing.id)
                JOIN participant AS judge ON judge.id = verdict.participant_id
                LEFT JOIN judging_round AS panel ON panel.id = playing.round_id
                LEFT JOIN seat ON seat.play_id = verdict.play_id AND seat.participant_id = verdict.participant_id
            WHERE playing.experiment_id = %s
            ORDER BY talk.position, panel.position, judge.name, verdict.reading, verdict.play_id
            OFFSET 0
        ) AS found
    """  # noqa: S608 - nothing of it comes from outside


async def verdict_pieces(session: AsyncSession, experiment: uuid.UUID) -> AsyncGenerator[Piece, None]:
    """Yield every verdict of an experiment: by talk, round, judge and reading order."""
    setting = await _setting(session, experiment)
    statement, kinds = _verdicts(setting.answers), _verdict_kinds(setting.answers)
    async for rows in copied_pieces(session, statement, experiment, kinds):
        yield Piece(rows, setting)


async def _setting(session: AsyncSession, experiment: uuid.UUID) -> Setting:
    answers = await session.scalar(
        select(func.max(func.cardinality(Trial.answers))).where(Trial.experiment_id == experiment)
    )
    arms = await session.scalars(select(Arm).where(Arm.experiment_id == experiment))
    rounds = await session.scalars(select(JudgingRound).where(JudgingRound.experiment_id == experiment))
    key = func.uuid_hash_extended(Participant.id, 0)
    judges = await session.execute(select(key, Participant.name, Participant.kind, Participant.digest))
    kinds = {"who": pl.Int64, "name": pl.String, "kind": pl.String, "digest": pl.String}
    return Setting(
        arms=arms.all(),
        rounds=rounds.all(),
        judges=pl.DataFrame([tuple(row) for row in judges], kinds, orient="row"),
        talks=await copied(session, _TALKS, experiment, TALK),
        answers=answers or 2,
    )
