"""What was done: moves, verdicts, model calls and every attempt at them."""

import uuid
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Json, JsonObject, Now, OpaqueId, SerialId


class Move(Base):
    """What a seat gave for an ask. The unique path referees every race."""

    __tablename__ = "move"
    __table_args__ = (
        UniqueConstraint("play_id", "path"),
        CheckConstraint("path <> ''", name="has_path"),
        Index(
            "ix_move_speech_words",
            text("speech_words(content)"),
            postgresql_using="gin",
            postgresql_where=text("content ->> 'kind' = 'speech'"),
        ),
    )

    id: Mapped[SerialId]
    play_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("play.id", ondelete="CASCADE"))
    path: Mapped[str]
    seat: Mapped[str]
    participant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("participant.id"))
    content: Mapped[Json] = mapped_column(JSONB)
    fingerprint: Mapped[str]
    created_at: Mapped[Now]


class Verdict(Base):
    """What one judge came to believe of one trial in one reading order."""

    __tablename__ = "verdict"
    __table_args__ = (
        UniqueConstraint("play_id", "reading"),
        CheckConstraint("is_distribution(belief)", name="belief_is_a_distribution"),
        CheckConstraint("cardinality(belief) = cardinality(answer_order)", name="belief_over_the_answers"),
        CheckConstraint("label_mass BETWEEN 0 AND 1.000001", name="label_mass_is_a_probability"),
        CheckConstraint(
            "method IN ('logprobs', 'constrained', 'verbalised', 'votes', 'stated', 'baseline')",
            name="method_is_known",
        ),
        CheckConstraint("cardinality(said) = cardinality(belief)", name="said_of_the_answers"),
        CheckConstraint("jsonb_array_length(bounds) = cardinality(belief)", name="bounds_of_the_answers"),
        CheckConstraint(
            "flags <@ ARRAY['bounded', 'undecided', 'off_sum', 'no_weight']", name="flags_are_known"
        ),
    )

    id: Mapped[SerialId]
    play_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("play.id", ondelete="CASCADE"))
    """A judgement, or a trial whose judge took part in the talk itself."""
    participant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("participant.id"))
    reading: Mapped[int]
    answer_order: Mapped[list[int]]
    """Indices into the trial's answers, in the order they were read."""
    belief: Mapped[list[float]]
    """Over the trial's answers, in the trial's own order."""
    beliefs: Mapped[Any] = mapped_column(JSONB)
    """The path to `belief`: a list of distributions, oldest first."""
    method: Mapped[str]
    label_mass: Mapped[float | None]
    reason: Mapped[str] = mapped_column(server_default="")
    said: Mapped[list[float] | None]
    """The figures that a model stated, as said, in the trial's order; None where none were."""
    bounds: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    """Least and most of each answer's probability, where a letter was not among the returned tokens."""
    flags: Mapped[list[str]] = mapped_column(server_default="{}")
    """What is doubtful about the belief: see `app.protocols.core.BeliefFlag`."""
    created_at: Mapped[Now]


class TrialSummary(Base):
    """What lists of trials are filtered and sorted by, of a finished trial and its verdicts. All of it follows from them."""

    __tablename__ = "trial_summary"

    trial_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("play.id", ondelete="CASCADE"), primary_key=True)
    experiment_id: Mapped[uuid.UUID] = mapped_column(index=True)
    words: Mapped[int] = mapped_column(server_default="0")
    """Of the speeches that judges read."""
    flags: Mapped[list[str]] = mapped_column(server_default="{}")
    """What was found in these speeches: see `app.records.finding.FLAGS`."""
    verdicts: Mapped[int] = mapped_column(server_default="0")
    right: Mapped[int] = mapped_column(server_default="0")
    """Verdicts with gold strictly on top."""
    wrong: Mapped[int] = mapped_column(server_default="0")
    """Verdicts with another answer strictly above gold."""
    p_gold: Mapped[float | None]
    """Mean belief in gold; None without a verdict."""
    p_wrong: Mapped[float | None]
    """The highest belief in a wrong answer, among wrong verdicts."""
    judges_apart: Mapped[float | None]
    """The difference between the highest and the lowest belief in gold of its judges, each the mean of its readings; None for one judge."""
    judges_split: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether one judge is right and another wrong."""
    orders_apart: Mapped[float | None]
    """The largest difference between the beliefs of one judge in two reading orders; None where none read both."""
    orders_split: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether a judge is right in one reading order and wrong in another."""


class ModelCall(Base):
    """One request to a model; its prompt is a list of content-addressed segments."""

    __tablename__ = "model_call"
    id: Mapped[OpaqueId]
    play_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("play.id", ondelete="CASCADE"), index=True)
    """None for a test call."""
    path: Mapped[str]
    purpose: Mapped[str]
    endpoint: Mapped[str]
    model: Mapped[str]
    segments: Mapped[Any] = mapped_column(JSONB)
    """List of [role, digest of the text in hexadecimal]."""
    characters: Mapped[int | None]
    """Length of the whole prompt; None for calls that are older than the column."""
    params: Mapped[JsonObject]
    created_at: Mapped[Now]


class CallAttempt(Base):
    """One attempt at a call, stored before it is sent; without `status` it was cut off."""

    __tablename__ = "call_attempt"
    __table_args__ = (
        UniqueConstraint("call_id", "number"),
        UniqueConstraint("request_id"),
        CheckConstraint(
            "status IN ('ok', 'http', 'timeout', 'connection', 'unreadable')", name="status_is_known"
        ),
    )

    id: Mapped[SerialId]
    call_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("model_call.id", ondelete="CASCADE"))
    number: Mapped[int]
    request_id: Mapped[str]
    started_at: Mapped[Now]
    status: Mapped[str | None]
    seconds: Mapped[float | None]
    http_status: Mapped[int | None]
    error: Mapped[str | None]
    reply: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    tokens_in: Mapped[int | None]
    tokens_out: Mapped[int | None]
    tokens_cached: Mapped[int | None]
    answered_as: Mapped[str | None]
    """The model that the reply names; None where it names none."""
    fingerprint: Mapped[str | None]
    """The reply's `system_fingerprint`."""
