"""Studies with recruited people: who takes part, what they passed and answered, and what they are paid."""

import uuid
from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, Table, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Digest, Json, JsonObject, Moment, Now, OpaqueId, Seed, SerialId
from models.ends import End, one_of
from models.people import Account


class Study(Base):
    """A study. Its file is fixed when it opens, but for the texts of its pages."""

    __tablename__ = "study"
    __table_args__ = (
        UniqueConstraint("name"),
        CheckConstraint("name <> ''", name="named"),
        CheckConstraint("state IN ('draft', 'open', 'paused', 'closed')", name="state_is_known"),
        CheckConstraint("(state = 'draft') = (opened_at IS NULL)", name="drafts_are_not_open"),
    )

    id: Mapped[OpaqueId]
    name: Mapped[str]
    owner_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("account.id", ondelete="SET NULL"), index=True
    )
    """The account that made it in the browser. None for those of the command line, which every researcher sees."""
    state: Mapped[str] = mapped_column(server_default="draft")
    spec: Mapped[Json] = mapped_column(JSONB)
    """See `app.studies.spec`."""
    recruiters_study: Mapped[str] = mapped_column(server_default="")
    """The recruiter's id of the study; empty as long as there is none."""
    codes: Mapped[JsonObject]
    """Completion code by end: `completed`, `screened_out`, `failed_checks`."""
    created_at: Mapped[Now]
    opened_at: Mapped[Moment | None]
    closed_at: Mapped[Moment | None]


study_experiment = Table(
    "study_experiment",
    Base.metadata,
    Column("study_id", ForeignKey("study.id", ondelete="CASCADE"), primary_key=True),
    Column("experiment_id", ForeignKey("experiment.id", ondelete="CASCADE"), primary_key=True, index=True),
)
"""The experiments whose seats are kept for the people of a study, from its opening on."""


class StudyText(Base):
    """A version of a page's text. The newest is shown; who consented has consented to one of them."""

    __tablename__ = "study_text"
    __table_args__ = (
        UniqueConstraint("study_id", "page", "version"),
        CheckConstraint("version > 0", name="versions_count_from_one"),
    )

    id: Mapped[SerialId]
    study_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    page: Mapped[str]
    """See `app.studies.spec.Page`."""
    version: Mapped[int]
    markdown: Mapped[str]
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    created_at: Mapped[Now]


class Enrolment(Base):
    """A person's part in a study. Each has an account, and so a pseudonym, for this study alone."""

    __tablename__ = "enrolment"
    __table_args__ = (
        UniqueConstraint("account_id"),
        UniqueConstraint("study_id", "person_key"),
        CheckConstraint(f"ended_as IN ({one_of(tuple(End))})", name="end_is_known"),
        CheckConstraint("(ended_as IS NULL) = (ended_at IS NULL)", name="ends_have_a_time"),
        CheckConstraint("promised > 0", name="something_is_promised"),
        CheckConstraint("review IN ('approved', 'rejected')", name="review_is_known"),
        CheckConstraint("(excluded_at IS NULL) = (excluded_because = '')", name="exclusions_have_a_reason"),
    )

    id: Mapped[OpaqueId]
    study_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    person_key: Mapped[Digest]
    """A keyed digest of the recruiter's id, or random where there is none: the same person cannot join twice, nor come
    back after their data were deleted.
    """
    seed: Mapped[Seed]
    """Decides where items stand between the trials."""
    word_hash: Mapped[str | None]
    """Hash of the word that they chose, with which they come back from another device; None where they chose none."""
    promised: Mapped[int]
    """Trials that were promised at the start."""
    page: Mapped[str]
    """The page they are on: see `app.studies.spec.Page`; `done` after the last."""
    consent_text_id: Mapped[int | None] = mapped_column(ForeignKey("study_text.id"))
    consented_at: Mapped[Moment | None]
    language: Mapped[str] = mapped_column(server_default="en")
    ended_as: Mapped[str | None]
    """See `models.ends.End`; None for those who are taking part."""
    ended_at: Mapped[Moment | None]
    expires_at: Mapped[Moment | None]
    """When they run out of time."""
    last_seen_at: Mapped[Now]
    created_at: Mapped[Now]
    review: Mapped[str | None]
    """Whether a researcher approved or rejected their work; None as long as none did."""
    review_reason: Mapped[str] = mapped_column(server_default="")
    excluded_at: Mapped[Moment | None]
    """Since when a researcher leaves them out of the figures."""
    excluded_because: Mapped[str] = mapped_column(server_default="")
    deletion_asked_at: Mapped[Moment | None]
    """When the person asked for the deletion of their data, which waits until they are paid."""
    deleted_at: Mapped[Moment | None]
    """When what was kept of the person was deleted."""

    account: Mapped[Account] = relationship(lazy="raise")
    study: Mapped[Study] = relationship(lazy="raise")


class Submission(Base):
    """What a recruiter says of a person's part. It is apart from the data, and no export has it."""

    __tablename__ = "submission"
    __table_args__ = (UniqueConstraint("recruiter", "recruiters_id"),)

    enrolment_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("enrolment.id", ondelete="CASCADE"), primary_key=True
    )
    recruiter: Mapped[str]
    """`prolific`, `mturk` or `link`."""
    recruiters_id: Mapped[str | None]
    """The recruiter's id of the submission or assignment: a claim of the link, until the recruiter says the same."""
    claimed: Mapped[str | None]
    """The id that they came with, where it is another person's by the recruiter's list, or had come with another before."""
    status: Mapped[str] = mapped_column(server_default="")
    """The last status that the recruiter reported, in its own words; empty where it said nothing."""
    reported_at: Mapped[Moment | None]


class StudyStep(Base):
    """A page, or an item on it, that a person was shown, and what they answered there."""

    __tablename__ = "study_step"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "page", "item", "attempt"),
        UniqueConstraint("address"),
        CheckConstraint("attempt > 0", name="attempts_count_from_one"),
        CheckConstraint("(answers IS NULL) = (submitted_at IS NULL)", name="answers_have_a_time"),
    )

    id: Mapped[SerialId]
    enrolment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("enrolment.id", ondelete="CASCADE"))
    page: Mapped[str]
    item: Mapped[str] = mapped_column(server_default="")
    """Key of the item; empty for the page itself."""
    address: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4)
    """The item in its address, as the id of a seat does for a trial: the two look the same."""
    attempt: Mapped[int] = mapped_column(server_default=text("1"))
    shown_at: Mapped[Now]
    submitted_at: Mapped[Moment | None]
    answers: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    passed: Mapped[bool | None]
    """Whether the answers are right; None where nothing is right or wrong."""
    draft: Mapped[JsonObject]
    """What was entered and not submitted yet."""
    effort: Mapped[JsonObject]
    """Active seconds, keystrokes and the like, as of a draft; signals by visit are in `visits`."""


class Payment(Base):
    """A sum that a person is paid, recorded once."""

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "kind"),
        CheckConstraint("kind IN ('base', 'bonus')", name="kind_is_known"),
        CheckConstraint("minor >= 0", name="sums_are_not_negative"),
        CheckConstraint("state IN ('due', 'sending', 'sent', 'failed')", name="state_is_known"),
    )

    id: Mapped[OpaqueId]
    enrolment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("enrolment.id", ondelete="CASCADE"))
    kind: Mapped[str]
    minor: Mapped[int]
    """Hundredths of the currency."""
    currency: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="due")
    detail: Mapped[JsonObject]
    """How the sum came about."""
    recruiters_id: Mapped[str | None]
    created_at: Mapped[Now]
    sent_at: Mapped[Moment | None]


class RecruiterEvent(Base):
    """An event that a recruiter sent, so that the same one is taken once."""

    __tablename__ = "recruiter_event"

    recruiter: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[Now]
    kind: Mapped[str]
