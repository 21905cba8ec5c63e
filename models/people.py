"""Who uses the arena: accounts, invites, sessions, tokens, and the audit trail."""

import uuid
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Digest, Json, JsonObject, Moment, Now, OpaqueId, SerialId
from models.experiments import Participant

ROLES = ("admin", "researcher", "judge", "debater")
BY_PASSWORD = ("admin", "researcher")
"""Roles that sign in with a password, which the maker of their invite does not know."""
# In PostgreSQL's own words, since Alembic compares them.
_ADDRESS = (
    r"COALESCE(email, CASE WHEN (name ~ '^[^@\s]+@[^@\s]+$'::text) THEN lower(name) ELSE NULL::text END)"
)
_ROLE_IS_KNOWN = f"role IN ({', '.join(repr(role) for role in ROLES)})"


class Account(Base):
    """A person. Judges and debaters sign in by their invite and have no password. The others choose one by
    their invite.
    """

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("email"),
        UniqueConstraint("participant_id"),
        CheckConstraint(_ROLE_IS_KNOWN, name="role_is_known"),
        CheckConstraint("email = lower(email)", name="email_is_lower_case"),
        CheckConstraint("password_hash IS NULL OR email IS NOT NULL", name="passwords_need_an_email"),
    )

    id: Mapped[OpaqueId]
    name: Mapped[str] = mapped_column(index=True)
    """What they call themselves; or a recruiter's id, sent by the site or typed."""
    email: Mapped[str | None]
    recruiter_id: Mapped[str | None] = mapped_column(index=True)
    """The id under which a recruiting site sent this person. A claim."""
    address: Mapped[str | None] = mapped_column(Computed(_ADDRESS, persisted=True), index=True)
    """The e-mail address in lower case, or the name where that is one."""
    recruiter_digest: Mapped[bytes | None] = mapped_column(index=True)
    """Keyed digest of `recruiter_id`. The database keeps the three of them, also when the names are removed: accounts
    of one human are found by them.
    """
    name_digest: Mapped[bytes | None] = mapped_column(index=True)
    """The same of `name`, made in the same way, so that an id that was typed as a name is found."""
    address_digest: Mapped[bytes | None] = mapped_column(index=True)
    """The same of `address`."""
    forgotten_at: Mapped[Moment | None]
    """When name, recruiter's id and address were removed; the name is the pseudonym since."""
    was_researcher: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether the account once had a role that opens every text, and has another now."""
    for_study: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether the account was made for a part in a study: see `Enrolment`."""
    role: Mapped[str]
    password_hash: Mapped[str | None]
    participant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("participant.id"))
    """The participant that this person is; made when they first take a seat."""
    instructed_at: Mapped[Moment | None]
    """When they finished the instructions."""
    disabled_at: Mapped[Moment | None]
    created_at: Mapped[Now]

    participant: Mapped[Participant | None] = relationship(lazy="raise")


class Invite(Base):
    """A link to join or sign in. A shared link makes an account for each person; a personal link belongs to
    one.
    """

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
    """The account that first used a personal invite. The invite signs it in again on any device, unless it
    has a password.
    """
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    created_at: Mapped[Now]
    once: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether the first use ends it, without a password, as in the demo."""
    expires_at: Mapped[Moment]
    revoked_at: Mapped[Moment | None]
    completion_code: Mapped[str] = mapped_column(server_default="")
    """The code that a judge of this invite shows a recruiter when no work is left."""
    completion_url: Mapped[str] = mapped_column(server_default="")
    """The address that a judge of this invite can then follow."""

    @property
    def sets_password(self) -> bool:
        """Whether it asks for a password. Its owner signs in with the password from then on, and the invite
        ends.
        """
        return self.role in BY_PASSWORD and not self.once


class Session(Base):
    """One signed-in browser. The cookie has a random token, of which only the digest is stored."""

    __tablename__ = "session"
    __table_args__ = (UniqueConstraint("token_digest"), UniqueConstraint("previous_digest"))

    id: Mapped[OpaqueId]
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    token_digest: Mapped[Digest]
    csrf: Mapped[str]
    """The token that every unsafe request of this session must send."""
    created_at: Mapped[Now]
    expires_at: Mapped[Moment]
    rotated_at: Mapped[Now]
    seen_at: Mapped[Now]
    """When it was last in use, to some minutes."""
    previous_digest: Mapped[Digest | None]
    """Digest of the token before the present one, which a browser may still have."""
    previous_until: Mapped[Moment | None]
    """When that token ends; None until the present one has been used."""

    account: Mapped[Account] = relationship(lazy="raise")


class ApiToken(Base):
    """A personal token for the JSON API. Only its digest is stored."""

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
    """Who did what. The database refuses to change or delete a row; but a row may lose its detail, and then says so."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"),)

    id: Mapped[SerialId]
    at: Mapped[Now]
    account_id: Mapped[uuid.UUID | None]
    """Without a foreign key, because the trail outlives the account."""
    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str]
    detail: Mapped[JsonObject]


class Secret(Base):
    """Random keys of this installation, made by the database at set-up."""

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
            "active_seconds >= 0 AND focus_changes >= 0 AND edits >= 0 AND keystrokes >= 0"
            " AND pastes >= 0 AND pasted_characters >= 0 AND away_seconds >= 0",
            name="effort_is_not_negative",
        ),
    )

    id: Mapped[SerialId]
    seat_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("seat.id", ondelete="CASCADE"))
    path: Mapped[str]
    account_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    """None of effort that came with an imported experiment."""
    content: Mapped[Json] = mapped_column(JSONB)
    active_seconds: Mapped[float] = mapped_column(server_default=text("0"))
    focus_changes: Mapped[int] = mapped_column(server_default=text("0"))
    edits: Mapped[int] = mapped_column(server_default=text("0"))
    keystrokes: Mapped[int | None]
    """Keys pressed in fields for text: how many, never which. None, as the three below, where the browser ran no script."""
    pastes: Mapped[int | None]
    pasted_characters: Mapped[int | None]
    away_seconds: Mapped[float | None]
    """With the page open and not in front."""
    visits: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    """The four counts by the visit and the step that they are of: see `app.records.drafts.Signals`."""
    updated_at: Mapped[Now]


class Exposure(Base):
    """A person has been shown a trial on a passage of an experiment. The key prevents a second one.

    It is written at the claim and stays: a person who returned or lost the seat was shown it all the same.
    """

    __tablename__ = "exposure"

    experiment_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("experiment.id", ondelete="CASCADE"), primary_key=True
    )
    participant_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("participant.id"), primary_key=True, index=True
    )
    passage_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("passage.id"), primary_key=True)
    read: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether they were shown the text itself, in whatever seat."""
    created_at: Mapped[Now]


class SpecDraft(Base):
    """An experiment that is being written in the browser and has not started."""

    __tablename__ = "spec_draft"
    __table_args__ = (UniqueConstraint("owner_id", "name"), CheckConstraint("name <> ''", name="named"))

    id: Mapped[OpaqueId]
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    name: Mapped[str]
    spec: Mapped[Json] = mapped_column(JSONB)
    updated_at: Mapped[Now]
