"""What is run: endpoints, participants, experiments, arms, judging rounds, plays and seats."""

import uuid
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from models.base import Base, Json, JsonObject, Moment, Now, OpaqueId, Seed, SerialId
from models.ends import WAYS, one_of
from models.tasks import Question


class Endpoint(Base):
    """A model server, and the names of the environment variables that hold its key and headers. Never a key."""

    __tablename__ = "endpoint"
    __table_args__ = (
        UniqueConstraint("name", "base_url", "api_key_env", "more", postgresql_nulls_not_distinct=True),
        CheckConstraint("base_url ~ '^https?://'", name="base_url_is_http"),
        CheckConstraint("api_key_env ~ '^[A-Za-z_][A-Za-z0-9_]*$'", name="key_is_a_variable_name"),
        CheckConstraint("jsonb_typeof(more) = 'object'", name="more_is_an_object"),
    )

    id: Mapped[OpaqueId]
    name: Mapped[str]
    base_url: Mapped[str]
    api_key_env: Mapped[str | None]
    more: Mapped[JsonObject]
    """Headers (names of variables), query, and whether system messages are folded; only what is set."""


class EndpointNotice(Base):
    """What one worker's process has found out about an endpoint: that it is paused, or how fast it may be asked.

    It holds until `valid_until`, which a living process puts off again and again.
    """

    __tablename__ = "endpoint_notice"
    __table_args__ = (
        UniqueConstraint("process", "base_url", "api_key_env", "model", postgresql_nulls_not_distinct=True),
        CheckConstraint("rate > 0", name="rate_is_positive"),
        CheckConstraint("(since IS NULL) = (next_at IS NULL)", name="pauses_say_when_they_end"),
    )

    id: Mapped[SerialId]
    process: Mapped[uuid.UUID]
    name: Mapped[str]
    base_url: Mapped[str]
    api_key_env: Mapped[str | None]
    more: Mapped[JsonObject]
    """Headers, query and folding of its settings, as with the endpoint."""
    model: Mapped[str] = mapped_column(server_default="")
    """The one that is paused; empty for all."""
    since: Mapped[Moment | None]
    """Beginning of the pause; None where it is not paused."""
    reason: Mapped[str] = mapped_column(server_default="")
    """What the endpoint did last, as the continuation of “it …”."""
    next_at: Mapped[Moment | None]
    """When it is tried again."""
    rate: Mapped[float | None]
    """Requests a second that it was seen to take, where it refused more."""
    valid_until: Mapped[Moment]


class EndpointDialect(Base):
    """What one model's server was found not to take, by the settings of its endpoint: other settings have another row."""

    __tablename__ = "endpoint_dialect"
    __table_args__ = (
        UniqueConstraint("base_url", "api_key_env", "more", "model", postgresql_nulls_not_distinct=True),
        CheckConstraint("jsonb_typeof(lessons) = 'array'", name="lessons_is_a_list"),
    )

    id: Mapped[SerialId]
    base_url: Mapped[str]
    api_key_env: Mapped[str | None]
    more: Mapped[JsonObject]
    model: Mapped[str]
    lessons: Mapped[Any] = mapped_column(JSONB)
    """List of changes: kind, name, value, and how each is known."""
    learned_at: Mapped[Now]
    """When the first of them was learned: after a while they are tried again."""


class Participant(Base):
    """Who holds a seat, with settings that never change: other settings are another participant."""

    __tablename__ = "participant"
    __table_args__ = (
        UniqueConstraint("digest"),
        CheckConstraint("kind IN ('model', 'builtin', 'person')", name="kind_is_known"),
        CheckConstraint(
            "(kind = 'model' AND NOT imported) = (endpoint_id IS NOT NULL)", name="models_have_endpoints"
        ),
    )

    id: Mapped[OpaqueId]
    name: Mapped[str]
    kind: Mapped[str]
    endpoint_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("endpoint.id"))
    settings: Mapped[JsonObject]
    digest: Mapped[str]
    """Of name, endpoint and settings together."""
    imported: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether it comes with an imported archive: then it answers nothing here, and has neither endpoint nor account."""

    endpoint: Mapped[Endpoint | None] = relationship(lazy="raise")


class Experiment(Base):
    """Arms by questions by assignments by replicates; frozen and hashed when it starts."""

    __tablename__ = "experiment"
    __table_args__ = (
        UniqueConstraint("name"),
        CheckConstraint("name <> ''", name="named"),
        CheckConstraint("state IN ('running', 'paused', 'cancelled')", name="state_is_known"),
        CheckConstraint("cardinality(tags) <= 20", name="tags_are_few"),
        CheckConstraint("length(note) <= 20000", name="note_is_short"),
    )

    id: Mapped[OpaqueId]
    name: Mapped[str]
    owner_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("account.id", ondelete="SET NULL"), index=True
    )
    """The account that started it in the browser. None for those of the command line, which every researcher sees."""
    state: Mapped[str] = mapped_column(server_default="running")
    """The wanted state. Its progress is in its trials."""
    task_set_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("task_set.id"))
    spec: Mapped[Json] = mapped_column(JSONB)
    digest: Mapped[str]
    """Of the spec, the drawn questions and the prompts."""
    seed: Mapped[Seed]
    cap: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """The spending cap where it was changed after the start; None where that of the spec holds."""
    tags: Mapped[list[str]] = mapped_column(server_default="{}")
    """Short words of its researchers, sorted. Like the note they are not part of the digest, and no judge sees them."""
    note: Mapped[str] = mapped_column(server_default="")
    """What its researchers wrote about it, as plain text."""
    created_at: Mapped[Now]


class Spending(Base):
    """What one process has taken of one model for an experiment, written together with the calls.

    Each process has its own rows, so that none waits for another.
    """

    __tablename__ = "spending"

    experiment_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("experiment.id", ondelete="CASCADE"), primary_key=True
    )
    process: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    endpoint: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger)
    """Every attempt that was sent, whatever came of it."""
    prompt: Mapped[int] = mapped_column(BigInteger)
    """Tokens of prompts, cached ones included."""
    cached: Mapped[int] = mapped_column(BigInteger)
    completion: Mapped[int] = mapped_column(BigInteger)


class Arm(Base):
    """A protocol with its settings, its prompts and the participants seated in it."""

    __tablename__ = "arm"
    __table_args__ = (
        UniqueConstraint("experiment_id", "name"),
        UniqueConstraint("experiment_id", "position"),
        UniqueConstraint("id", "experiment_id"),
    )

    id: Mapped[OpaqueId]
    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiment.id", ondelete="CASCADE"))
    name: Mapped[str]
    position: Mapped[int]
    protocol: Mapped[str]
    settings: Mapped[JsonObject]
    prompts: Mapped[JsonObject]
    """Name of each template to the digest of its snapshotted text, in hexadecimal."""

    experiment: Mapped[Experiment] = relationship(lazy="raise")
    seats: Mapped[list["ArmSeat"]] = relationship(lazy="raise")


class ArmSeat(Base):
    """Who holds one seat of an arm."""

    __tablename__ = "arm_seat"

    arm_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("arm.id", ondelete="CASCADE"), primary_key=True)
    seat: Mapped[str] = mapped_column(primary_key=True)
    participant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("participant.id"))

    participant: Mapped[Participant] = relationship(lazy="raise")


class JudgingRound(Base):
    """A panel of judges over the finished trials of an experiment: the first is in its file, others are additions."""

    __tablename__ = "judging_round"
    __table_args__ = (
        UniqueConstraint("experiment_id", "name"),
        UniqueConstraint("experiment_id", "position"),
        UniqueConstraint("id", "experiment_id"),
    )

    id: Mapped[OpaqueId]
    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiment.id", ondelete="CASCADE"))
    name: Mapped[str]
    position: Mapped[int]
    elicit: Mapped[str]
    spec: Mapped[JsonObject]
    digest: Mapped[str]
    created_at: Mapped[Now]

    experiment: Mapped[Experiment] = relationship(lazy="raise")


class PlayRow(Base):
    """A script in play: a trial (its talk) or a judgement. What it is asked and answers is in its moves.

    One row each, in one table; the row of `protocols.core.Play`, which is the running script.
    """

    __tablename__ = "play"
    __mapper_args__ = {"polymorphic_on": "kind"}  # noqa: RUF012 - SQLAlchemy reads it as a plain attribute

    id: Mapped[OpaqueId]
    kind: Mapped[str]
    """`talk` or `judging`."""
    experiment_id: Mapped[uuid.UUID]
    talk_id: Mapped[uuid.UUID | None]
    """The trial that a judgement judges; None of a trial itself."""
    judge_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("participant.id"))
    """Who judges. A person's is known at the claim or, where it takes part in the talk, when that has ended."""
    place: Mapped[int] = mapped_column(server_default="0")
    """Where a person is to judge: which of the judges wanted; 0 for models."""
    seed: Mapped[Seed]
    state: Mapped[str] = mapped_column(server_default="queued")
    """`queued`, `waiting` (for a person), `done` or `failed`; of a judgement also `open` (to people) and `returned`."""
    error: Mapped[str | None]
    outcome: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    finished_at: Mapped[Moment | None]

    judge: Mapped[Participant | None] = relationship(lazy="raise")


class Trial(PlayRow):
    """One question under one arm, with one assignment and one replicate."""

    __mapper_args__ = {"polymorphic_identity": "talk", "polymorphic_load": "inline"}  # noqa: RUF012

    arm_id: Mapped[uuid.UUID] = mapped_column(nullable=True)
    question_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("question.id"), nullable=True)
    answers: Mapped[list[int]] = mapped_column(nullable=True)
    """Indices into the question's answers, in this trial's own order."""
    argues: Mapped[Json] = mapped_column(JSONB, nullable=True)
    """Seat to index into `answers`."""
    assignment: Mapped[int] = mapped_column(nullable=True)
    replicate: Mapped[int] = mapped_column(nullable=True)
    position: Mapped[int] = mapped_column(nullable=True)
    """Place in the queue: by passage, long arms first."""

    arm: Mapped[Arm] = relationship(
        lazy="raise", foreign_keys="Trial.arm_id", primaryjoin="Trial.arm_id == Arm.id"
    )
    question: Mapped[Question] = relationship(lazy="raise")


class Judgement(PlayRow):
    """One judge on one finished trial."""

    __mapper_args__ = {"polymorphic_identity": "judging", "polymorphic_load": "inline"}  # noqa: RUF012

    round_id: Mapped[uuid.UUID] = mapped_column(nullable=True)
    talk_id: Mapped[uuid.UUID] = mapped_column(nullable=True, use_existing_column=True)
    reading: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    """The orders it is read in: a list of lists of indices into the trial's answers."""

    round: Mapped[JudgingRound] = relationship(
        lazy="raise", foreign_keys=[round_id], primaryjoin="Judgement.round_id == JudgingRound.id"
    )
    talk: Mapped[Trial] = relationship(
        lazy="raise",
        primaryjoin="foreign(Judgement.talk_id) == remote(Trial.id)",
    )


def _constrain(play: Table) -> None:
    """Say what holds of plays. It is said here since a class cannot name the columns of its subclasses."""
    play.append_column(Column("talk_kind", Text, Computed("'talk'::text", persisted=True)))
    cascade: Any = {"ondelete": "CASCADE"}
    for constraint in (
        UniqueConstraint("id", "kind"),
        UniqueConstraint("round_id", "talk_id", "judge_id"),
        ForeignKeyConstraint(["arm_id", "experiment_id"], ["arm.id", "arm.experiment_id"], **cascade),
        ForeignKeyConstraint(
            ["round_id", "experiment_id"], ["judging_round.id", "judging_round.experiment_id"], **cascade
        ),
        ForeignKeyConstraint(["talk_id", "talk_kind"], ["play.id", "play.kind"], **cascade),
        CheckConstraint("kind IN ('talk', 'judging')", name="kind_is_known"),
        CheckConstraint(
            'num_nonnulls(arm_id, question_id, answers, argues, assignment, replicate, "position") = '
            "CASE kind WHEN 'talk' THEN 7 ELSE 0 END",
            name="talks_have_their_columns",
        ),
        CheckConstraint(
            "num_nonnulls(round_id, talk_id, reading) = CASE kind WHEN 'judging' THEN 3 ELSE 0 END",
            name="judgings_have_their_columns",
        ),
        CheckConstraint(
            "state IN ('queued', 'waiting', 'done', 'failed') OR kind = 'judging' AND state IN ('open', 'returned')",
            name="state_is_known",
        ),
        CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="failures_say_why"),
        CheckConstraint(
            "kind = 'judging' OR (state = 'done') = (outcome IS NOT NULL)", name="outcome_when_done"
        ),
        CheckConstraint(
            "kind = 'talk' OR (state = 'open') = (judge_id IS NULL)", name="open_judgings_have_no_judge"
        ),
        CheckConstraint("cardinality(answers) >= 2", name="answers_are_two_or_more"),
        CheckConstraint("place >= 0", name="place_is_not_negative"),
    ):
        play.append_constraint(constraint)


def _index(play: Table) -> None:
    """Say how plays are found."""
    c = play.c
    Index(
        "uq_play_talk",
        *(c.arm_id, c.question_id, c.assignment, c.replicate, c.judge_id, c.place),
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=text("arm_id IS NOT NULL"),
    )
    Index(
        "uq_play_place",
        *(c.round_id, c.talk_id, c.place),
        unique=True,
        postgresql_where=text("place > 0 AND state <> 'returned' AND round_id IS NOT NULL"),
    )
    Index("ix_play_experiment_id_kind", c.experiment_id, c.kind)
    Index("ix_play_position", c.experiment_id, c.position, postgresql_where=text("position IS NOT NULL"))
    Index("ix_play_question_id", c.question_id, postgresql_where=text("question_id IS NOT NULL"))
    Index("ix_play_talk_id", c.talk_id, postgresql_where=text("talk_id IS NOT NULL"))
    Index(
        "ix_play_unfinished",
        *(c.experiment_id, c.state),
        postgresql_where=text("state IN ('queued', 'waiting', 'open')"),
    )


_constrain(Base.metadata.tables["play"])
_index(Base.metadata.tables["play"])

Judging = aliased(Judgement, name="judging")
"""Judgements, in statements that join them with their trials: both are rows of one table."""
Playing = aliased(PlayRow, name="playing")
"""Plays of either kind, in statements that join them with the trials that they are, or judge."""
PLAYED_TRIAL = func.coalesce(Playing.talk_id, Playing.id)
"""The id of that trial."""


class SeatRow(Base):
    """A seat of a play that a person is to hold, and who does. Models need none."""

    __tablename__ = "seat"
    __table_args__ = (
        # A person takes one side of a talk, and never a seat that they gave back.
        UniqueConstraint("play_id", "participant_id"),
        Index(
            "uq_seat_play_id_seat",
            "play_id",
            "seat",
            unique=True,
            postgresql_where=text("state <> 'returned'"),
        ),
        Index("ix_seat_open", "play_id", postgresql_where=text("state = 'open'")),
        Index("ix_seat_leased_until", "leased_until", postgresql_where=text("leased_until IS NOT NULL")),
        Index("ix_seat_closes_at", "closes_at", postgresql_where=text("closes_at IS NOT NULL")),
        CheckConstraint("state IN ('open', 'waiting', 'done', 'returned')", name="state_is_known"),
        CheckConstraint("role IN ('judge', 'debater')", name="role_is_known"),
        CheckConstraint("(state = 'open') = (participant_id IS NULL)", name="open_has_no_holder"),
        CheckConstraint("leased_until IS NULL OR state = 'waiting'", name="leases_end_with_the_work"),
        CheckConstraint("lease_minutes > 0", name="leases_last"),
        CheckConstraint("seconds > 0", name="time_is_positive"),
        CheckConstraint("closes_at IS NULL OR state = 'waiting'", name="times_end_with_the_work"),
        CheckConstraint("(ends_at IS NULL) = (closes_at IS NULL)", name="times_have_both_ends"),
        CheckConstraint(f"left_as IN ({one_of(WAYS)})", name="leaving_is_known"),
        CheckConstraint("(left_as IS NULL) = (left_at IS NULL)", name="leaving_has_a_time"),
        CheckConstraint("left_as IS NULL OR state = 'returned'", name="who_left_has_no_seat"),
        CheckConstraint("replacement_id IS NULL OR left_as IS NOT NULL", name="replacements_follow_leaving"),
    )

    id: Mapped[OpaqueId]
    play_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("play.id", ondelete="CASCADE"))
    seat: Mapped[str]
    participant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("participant.id"), index=True)
    state: Mapped[str] = mapped_column(server_default="open")
    """`open`, `waiting` (a person has it), `done` with the play, or `returned`."""
    role: Mapped[str]
    """Which people may hold it: a `debater` argues over the passage, a `judge` judges."""
    reads_passage: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether its holder is shown the passage: that of a debater, and of a judge where the protocol says so."""
    once: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether its holder may be shown no other trial on the passage in this experiment."""
    lease_minutes: Mapped[int]
    """How long a person may keep it without answering when it is their turn."""
    seconds: Mapped[int | None]
    """The time that a judge has; None for no limit."""
    leased_until: Mapped[Moment | None]
    """When a person who does not answer loses it; None while others are awaited."""
    flags: Mapped[JsonObject]
    """What a person marked, and what was shown to them."""
    seen_at: Mapped[Moment | None]
    """When the page of a person in a talk was last open, to within some seconds."""
    ends_at: Mapped[Moment | None]
    """When the time for a turn is over, or that in a waiting room; None where none is given."""
    closes_at: Mapped[Moment | None]
    """When the grace after it is over: from then on no answer is taken."""
    left_as: Mapped[str | None]
    """How a person left a talk of a study that had begun; None for others, whose seat goes to the next person."""
    left_at: Mapped[Moment | None]
    replacement_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("participant.id"))
    """The participant that goes on in the seat since then; None where the talk ended."""

    play: Mapped[PlayRow] = relationship(lazy="raise")
    participant: Mapped[Participant | None] = relationship(lazy="raise", foreign_keys=[participant_id])
    replacement: Mapped[Participant | None] = relationship(lazy="raise", foreign_keys=[replacement_id])
