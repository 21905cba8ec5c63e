"""Who uses the arena: accounts, invites, sessions, tokens, and the trail of what they did."""

import uuid

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Digest, Json, JsonObject, Moment, Now, OpaqueId, SerialId
from models.experiments import Participant

ROLES = ("admin", "researcher", "judge", "debater")
BY_PASSWORD = ("admin", "researcher")
"""Roles that come in by a password of their own, which no maker of a link has seen."""
_ROLE_IS_KNOWN = f"role IN ({', '.join(repr(role) for role in ROLES)})"


class Account(Base):
    """A person. Judges and debaters have no password: they come by their invite. The others choose one by theirs."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("email"),
        UniqueConstraint("participant_id"),
        CheckConstraint(_ROLE_IS_KNOWN, name="role_is_known"),
        CheckConstraint("email = lower(email)", name="email_is_lower_case"),
        CheckConstraint("password_hash IS NULL OR email IS NOT NULL", name="passwords_need_an_email"),
    )

    id: Mapped[OpaqueId]
    name: Mapped[str]
    email: Mapped[str | None]
    role: Mapped[str]
    password_hash: Mapped[str | None]
    participant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("participant.id"))
    """The seat-holder that this person is; made when they first hold a seat."""
    instructed_at: Mapped[Moment | None]
    """When they finished the instructions."""
    disabled_at: Mapped[Moment | None]
    created_at: Mapped[Now]

    participant: Mapped[Participant | None] = relationship(lazy="raise")


class Invite(Base):
    """A link that lets somebody in: a shared one makes an account for each comer, a personal one belongs to one."""

    __tablename__ = "invite"
    __table_args__ = (
        CheckConstraint(_ROLE_IS_KNOWN, name="role_is_known"),
        CheckConstraint("NOT shared OR account_id IS NULL", name="shared_invites_are_nobodys"),
    )

    id: Mapped[OpaqueId]
    label: Mapped[str] = mapped_column(server_default="")
    role: Mapped[str]
    shared: Mapped[bool]
    account_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    """Whoever first came by a personal invite, which lets them in again on any device unless they have a password."""
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    created_at: Mapped[Now]
    once: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether it is used up by the first who opens it, and asks for no password, as in the demo."""
    expires_at: Mapped[Moment]
    revoked_at: Mapped[Moment | None]
    completion_code: Mapped[str] = mapped_column(server_default="")
    """What a judge who came by it shows a recruiter when nothing is left to do."""
    completion_url: Mapped[str] = mapped_column(server_default="")
    """Where that judge goes then, by a link."""

    @property
    def sets_password(self) -> bool:
        """Whether it asks for a password, with which its owner signs in from then on, and is used up by it."""
        return self.role in BY_PASSWORD and not self.once


class Session(Base):
    """One browser signed in; the cookie holds a random token of which only the digest is kept."""

    __tablename__ = "session"
    __table_args__ = (UniqueConstraint("token_digest"), UniqueConstraint("previous_digest"))

    id: Mapped[OpaqueId]
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    token_digest: Mapped[Digest]
    csrf: Mapped[str]
    """What every unsafe request of this session must carry."""
    created_at: Mapped[Now]
    expires_at: Mapped[Moment]
    rotated_at: Mapped[Now]
    previous_digest: Mapped[Digest | None]
    """Of the token before the present one, which a browser may hold still."""
    previous_until: Mapped[Moment | None]
    """When that one ends; None until the present one has been used."""

    account: Mapped[Account] = relationship(lazy="raise")


class ApiToken(Base):
    """A personal token for the JSON API; only its digest is kept."""

    __tablename__ = "api_token"
    __table_args__ = (
        UniqueConstraint("token_digest"),
        CheckConstraint("scopes <@ ARRAY['read', 'write', 'admin']", name="scopes_are_known"),
        CheckConstraint("cardinality(scopes) > 0", name="has_a_scope"),
    )

    id: Mapped[OpaqueId]
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    token_digest: Mapped[Digest]
    scopes: Mapped[list[str]]
    created_at: Mapped[Now]
    expires_at: Mapped[Moment]
    revoked_at: Mapped[Moment | None]

    account: Mapped[Account] = relationship(lazy="raise")


class Audit(Base):
    """Who did what; the database lets nobody change or remove a row."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"),)

    id: Mapped[SerialId]
    at: Mapped[Now]
    account_id: Mapped[uuid.UUID | None]
    """No foreign key: the trail outlives the account."""
    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str]
    detail: Mapped[JsonObject]


class Secret(Base):
    """Random keys of this installation, made by the database itself when it was set up."""

    __tablename__ = "secret"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bytes]


class RateCount(Base):
    """How often something was tried in one window of time."""

    __tablename__ = "rate_count"

    key: Mapped[str] = mapped_column(primary_key=True)
    window: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    count: Mapped[int]


class Draft(Base):
    """What a person has entered for an ask and not submitted yet, and the effort they put in."""

    __tablename__ = "draft"
    __table_args__ = (
        UniqueConstraint("seat_id", "path"),
        CheckConstraint(
            "active_seconds >= 0 AND focus_changes >= 0 AND edits >= 0", name="effort_is_not_negative"
        ),
    )

    id: Mapped[SerialId]
    seat_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("seat.id", ondelete="CASCADE"))
    path: Mapped[str]
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    content: Mapped[Json] = mapped_column(JSONB)
    active_seconds: Mapped[float] = mapped_column(server_default=text("0"))
    focus_changes: Mapped[int] = mapped_column(server_default=text("0"))
    edits: Mapped[int] = mapped_column(server_default=text("0"))
    updated_at: Mapped[Now]


class Exposure(Base):
    """A person has been shown a trial on a passage of an experiment; the key keeps them from a second."""

    __tablename__ = "exposure"

    experiment_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("experiment.id", ondelete="CASCADE"), primary_key=True
    )
    participant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("participant.id"), primary_key=True)
    passage_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("passage.id"), primary_key=True)
    created_at: Mapped[Now]


class SpecDraft(Base):
    """An experiment being written in the browser, not yet started."""

    __tablename__ = "spec_draft"
    __table_args__ = (UniqueConstraint("owner_id", "name"), CheckConstraint("name <> ''", name="named"))

    id: Mapped[OpaqueId]
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    name: Mapped[str]
    spec: Mapped[Json] = mapped_column(JSONB)
    updated_at: Mapped[Now]
