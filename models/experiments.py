"""What is run: endpoints, participants, experiments, arms, trials, judging rounds and judgements."""

import uuid
from typing import Annotated, Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Json, JsonObject, Moment, Now, OpaqueId, Seed
from models.tasks import Question

State = Annotated[str, mapped_column(server_default="queued")]


def _states(*more: str) -> tuple[CheckConstraint, ...]:
    """Work is queued, waiting (for a person), done or failed; exactly the failed say why."""
    states = ", ".join(repr(state) for state in ("queued", "waiting", "done", "failed", *more))
    return (
        CheckConstraint(f"state IN ({states})", name="state_is_known"),
        CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="failures_say_why"),
    )


class Endpoint(Base):
    """A model server, and the name of the environment variable that holds its key. Never a key."""

    __tablename__ = "endpoint"
    __table_args__ = (
        UniqueConstraint("name", "base_url", "api_key_env", postgresql_nulls_not_distinct=True),
        CheckConstraint("base_url ~ '^https?://'", name="base_url_is_http"),
        CheckConstraint("api_key_env ~ '^[A-Za-z_][A-Za-z0-9_]*$'", name="key_is_a_variable_name"),
    )

    id: Mapped[OpaqueId]
    name: Mapped[str]
    base_url: Mapped[str]
    api_key_env: Mapped[str | None]


class Participant(Base):
    """Who holds a seat, with settings that never change: other settings are another participant."""

    __tablename__ = "participant"
    __table_args__ = (
        UniqueConstraint("digest"),
        CheckConstraint("kind IN ('model', 'builtin', 'person')", name="kind_is_known"),
        CheckConstraint("(kind = 'model') = (endpoint_id IS NOT NULL)", name="models_have_endpoints"),
    )

    id: Mapped[OpaqueId]
    name: Mapped[str]
    kind: Mapped[str]
    endpoint_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("endpoint.id"))
    settings: Mapped[JsonObject]
    digest: Mapped[str]
    """Of name, endpoint and settings together."""

    endpoint: Mapped[Endpoint | None] = relationship(lazy="raise")


class Experiment(Base):
    """Arms by questions by assignments by replicates; frozen and hashed when it starts."""

    __tablename__ = "experiment"
    __table_args__ = (
        UniqueConstraint("name"),
        CheckConstraint("name <> ''", name="named"),
        CheckConstraint("state IN ('running', 'paused', 'cancelled')", name="state_is_known"),
    )

    id: Mapped[OpaqueId]
    name: Mapped[str]
    owner_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("account.id", ondelete="SET NULL"), index=True
    )
    """Who started it in the browser; nobody, for those of the command line, which every researcher may see."""
    state: Mapped[str] = mapped_column(server_default="running")
    """What somebody wants of it; how far it is stands in its trials."""
    task_set_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("task_set.id"))
    spec: Mapped[Json] = mapped_column(JSONB)
    digest: Mapped[str]
    """Of the spec, the drawn questions and the prompts."""
    seed: Mapped[Seed]
    created_at: Mapped[Now]


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


class Trial(Base):
    """One question under one arm, with one assignment and one replicate; its state is in its moves."""

    __tablename__ = "trial"
    __table_args__ = (
        UniqueConstraint(
            "arm_id",
            "question_id",
            "assignment",
            "replicate",
            "judge_id",
            "place",
            postgresql_nulls_not_distinct=True,
        ),
        ForeignKeyConstraint(
            ["arm_id", "experiment_id"], ["arm.id", "arm.experiment_id"], ondelete="CASCADE"
        ),
        Index("ix_trial_experiment_id_state", "experiment_id", "state"),
        CheckConstraint("cardinality(answers) >= 2", name="answers_are_two_or_more"),
        CheckConstraint("(state = 'done') = (outcome IS NOT NULL)", name="outcome_when_done"),
        CheckConstraint("place >= 0", name="place_is_not_negative"),
        *_states(),
    )

    id: Mapped[OpaqueId]
    experiment_id: Mapped[uuid.UUID]
    arm_id: Mapped[uuid.UUID]
    question_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("question.id"), index=True)
    judge_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("participant.id"))
    """The judge, in protocols where it takes part in the talk; a person's is known when the talk has ended."""
    place: Mapped[int] = mapped_column(server_default="0")
    """Where a person is to be the judge that takes part: which of those wanted; 0 for models."""
    answers: Mapped[list[int]]
    """Indices into the question's answers, in this trial's own order."""
    argues: Mapped[JsonObject]
    """Seat to index into `answers`."""
    assignment: Mapped[int]
    replicate: Mapped[int]
    seed: Mapped[Seed]
    position: Mapped[int]
    """Place in the queue: by passage, long arms first."""
    state: Mapped[State]
    error: Mapped[str | None]
    outcome: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    finished_at: Mapped[Moment | None]

    arm: Mapped[Arm] = relationship(
        lazy="raise", foreign_keys="Trial.arm_id", primaryjoin="Trial.arm_id == Arm.id"
    )
    question: Mapped[Question] = relationship(lazy="raise")


class SeatPlace(Base):
    """A seat of a trial that a person is to hold, and who does."""

    __tablename__ = "seat_place"
    __table_args__ = (
        # Nobody sits on two sides of a trial, nor comes back to one that they gave back.
        UniqueConstraint("trial_id", "participant_id"),
        Index(
            "uq_seat_place_seat",
            "trial_id",
            "seat",
            unique=True,
            postgresql_where=text("state <> 'returned'"),
        ),
        Index("ix_seat_place_open", "trial_id", postgresql_where=text("state = 'open'")),
        Index(
            "ix_seat_place_leased_until", "leased_until", postgresql_where=text("leased_until IS NOT NULL")
        ),
        CheckConstraint("state IN ('open', 'waiting', 'done', 'returned')", name="state_is_known"),
        CheckConstraint("(state = 'open') = (participant_id IS NULL)", name="open_is_nobodys"),
        CheckConstraint("leased_until IS NULL OR state = 'waiting'", name="leases_end_with_the_work"),
        CheckConstraint("lease_minutes > 0", name="leases_last"),
    )

    id: Mapped[OpaqueId]
    trial_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("trial.id", ondelete="CASCADE"))
    seat: Mapped[str]
    participant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("participant.id"), index=True)
    state: Mapped[str] = mapped_column(server_default="open")
    """`open`, `waiting` (somebody has it), `done` with the talk, or `returned`."""
    reads_passage: Mapped[bool]
    once: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether its holder may be shown no other trial on the passage in this experiment."""
    lease_minutes: Mapped[int]
    """How long somebody may keep it without answering when it is their turn."""
    leased_until: Mapped[Moment | None]
    """When somebody who does not answer loses it; None while others are awaited."""
    flags: Mapped[JsonObject]
    """What a person marked."""

    trial: Mapped[Trial] = relationship(lazy="raise")
    participant: Mapped[Participant | None] = relationship(lazy="raise")


class JudgingRound(Base):
    """A panel of judges over the finished trials of an experiment: the first is in its file, others are additions."""

    __tablename__ = "judging_round"
    __table_args__ = (
        UniqueConstraint("experiment_id", "name"),
        UniqueConstraint("experiment_id", "position"),
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


class Judgement(Base):
    """One judge on one finished trial."""

    __tablename__ = "judgement"
    __table_args__ = (
        UniqueConstraint("round_id", "trial_id", "participant_id"),
        UniqueConstraint("id", "trial_id"),
        Index("ix_judgement_trial_id_state", "trial_id", "state"),
        Index(
            "uq_judgement_place",
            "round_id",
            "trial_id",
            "place",
            unique=True,
            postgresql_where=text("place > 0 AND state <> 'returned'"),
        ),
        Index("ix_judgement_open", "trial_id", postgresql_where=text("state = 'open'")),
        Index("ix_judgement_leased_until", "leased_until", postgresql_where=text("leased_until IS NOT NULL")),
        CheckConstraint("(state = 'open') = (participant_id IS NULL)", name="open_is_nobodys"),
        CheckConstraint("leased_until IS NULL OR state = 'waiting'", name="leases_end_with_the_work"),
        CheckConstraint("place >= 0", name="place_is_not_negative"),
        *_states("open", "returned"),
    )

    id: Mapped[OpaqueId]
    round_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("judging_round.id", ondelete="CASCADE"))
    trial_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("trial.id", ondelete="CASCADE"))
    participant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("participant.id"), index=True)
    """The judge; nobody yet, where a place for a person is open."""
    place: Mapped[int] = mapped_column(server_default="0")
    """For people: which of the judgements wanted of this trial; 0 for models."""
    leased_until: Mapped[Moment | None]
    """When a person who has not finished loses the place."""
    flags: Mapped[JsonObject]
    """What a person marked: that they know the story, for instance."""
    reading: Mapped[Any] = mapped_column(JSONB)
    """The orders it is read in: a list of lists of indices into the trial's answers."""
    seed: Mapped[Seed]
    state: Mapped[State]
    error: Mapped[str | None]
    finished_at: Mapped[Moment | None]

    round: Mapped[JudgingRound] = relationship(lazy="raise")
    trial: Mapped[Trial] = relationship(lazy="raise")
    participant: Mapped[Participant | None] = relationship(lazy="raise")
