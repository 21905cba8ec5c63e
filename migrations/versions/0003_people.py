"""People: accounts and their invites, drafts, places as judges, and the audit trail."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


WORK = "'queued', 'waiting', 'done', 'failed'"
CHECKS = [
    ("experiment", "state_is_known", "state IN ('running', 'paused', 'cancelled')"),
    ("judgement", "state_is_known", f"state IN ({WORK}, 'open', 'returned')"),
    ("judgement", "open_is_nobodys", "(state = 'open') = (participant_id IS NULL)"),
    ("judgement", "leases_end_with_the_work", "leased_until IS NULL OR state = 'waiting'"),
    ("judgement", "place_is_not_negative", "place >= 0"),
]
REFUSE = """
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit trail can only be added to'; END $$
"""
APPEND_ONLY = """
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()
"""
# gen_random_uuid draws from the server's strong random numbers; two of them hold 244 bits.
SIGNING_KEY = """
INSERT INTO secret (name, value)
VALUES ('signing', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')))
"""


def upgrade() -> None:
    _create_audit_rate_count_and_secret()
    _create_account_and_api_token()
    _create_invite_and_session()
    _create_spec_draft_and_exposure()
    _create_draft_and_alter_experiment()
    _alter_judgement_and_add_checks()


def _create_audit_rate_count_and_secret() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column(
            "detail",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)
    op.create_table(
        "rate_count",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", "window", name=op.f("pk_rate_count")),
    )
    op.create_table(
        "secret",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secret")),
    )


def _create_account_and_api_token() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("participant_id", sa.Uuid(), nullable=True),
        sa.Column("instructed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "role IN ('admin', 'researcher', 'judge', 'debater')", name=op.f("ck_account_role_is_known")
        ),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_account_email_is_lower_case")),
        sa.CheckConstraint(
            "password_hash IS NULL OR email IS NOT NULL", name=op.f("ck_account_passwords_need_an_email")
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_account_participant_id_participant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("email", name=op.f("uq_account_email")),
        sa.UniqueConstraint("participant_id", name=op.f("uq_account_participant_id")),
    )
    op.create_table(
        "api_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "scopes <@ ARRAY['read', 'write', 'admin']", name=op.f("ck_api_token_scopes_are_known")
        ),
        sa.CheckConstraint("cardinality(scopes) > 0", name=op.f("ck_api_token_has_a_scope")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_api_token_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_api_token_token_digest")),
    )
    op.create_index(op.f("ix_api_token_account_id"), "api_token", ["account_id"], unique=False)


def _create_invite_and_session() -> None:
    op.create_table(
        "invite",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("once", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('admin', 'researcher', 'judge', 'debater')", name=op.f("ck_invite_role_is_known")
        ),
        sa.CheckConstraint(
            "NOT shared OR account_id IS NULL", name=op.f("ck_invite_shared_invites_are_nobodys")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_invite_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["account.id"], name=op.f("fk_invite_created_by_account"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invite")),
    )
    op.create_index(op.f("ix_invite_account_id"), "invite", ["account_id"], unique=False)
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_session_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_session_token_digest")),
    )
    op.create_index(op.f("ix_session_account_id"), "session", ["account_id"], unique=False)


def _create_spec_draft_and_exposure() -> None:
    op.create_table(
        "spec_draft",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_spec_draft_named")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["account.id"], name=op.f("fk_spec_draft_owner_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spec_draft")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_spec_draft_owner_id_name")),
    )
    op.create_table(
        "exposure",
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("passage_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"],
            ["experiment.id"],
            name=op.f("fk_exposure_experiment_id_experiment"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_exposure_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(["passage_id"], ["passage.id"], name=op.f("fk_exposure_passage_id_passage")),
        sa.PrimaryKeyConstraint("experiment_id", "participant_id", "passage_id", name=op.f("pk_exposure")),
    )


def _create_draft_and_alter_experiment() -> None:
    op.create_table(
        "draft",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("trial_id", sa.Uuid(), nullable=True),
        sa.Column("judgement_id", sa.Uuid(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("active_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("focus_changes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("edits", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "active_seconds >= 0 AND focus_changes >= 0 AND edits >= 0",
            name=op.f("ck_draft_effort_is_not_negative"),
        ),
        sa.CheckConstraint("num_nonnulls(trial_id, judgement_id) = 1", name=op.f("ck_draft_one_owner")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_draft_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["judgement_id"],
            ["judgement.id"],
            name=op.f("fk_draft_judgement_id_judgement"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trial.id"], name=op.f("fk_draft_trial_id_trial"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft")),
        sa.UniqueConstraint("judgement_id", "path", name=op.f("uq_draft_judgement_id_path")),
        sa.UniqueConstraint("trial_id", "path", name=op.f("uq_draft_trial_id_path")),
    )
    op.add_column("experiment", sa.Column("owner_id", sa.Uuid(), nullable=True))
    op.add_column("experiment", sa.Column("state", sa.Text(), server_default="running", nullable=False))
    op.create_index(op.f("ix_experiment_owner_id"), "experiment", ["owner_id"], unique=False)
    op.create_foreign_key(
        op.f("fk_experiment_owner_id_account"),
        "experiment",
        "account",
        ["owner_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.add_column("judgement", sa.Column("place", sa.Integer(), server_default="0", nullable=False))
    op.add_column("judgement", sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True))


def _alter_judgement_and_add_checks() -> None:
    op.add_column(
        "judgement",
        sa.Column(
            "flags",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.alter_column("judgement", "participant_id", existing_type=sa.UUID(), nullable=True)
    op.drop_constraint(op.f("uq_judgement_round_id_trial_id_participant_id"), "judgement", type_="unique")
    op.create_unique_constraint(
        op.f("uq_judgement_round_id_trial_id_participant_id"),
        "judgement",
        ["round_id", "trial_id", "participant_id"],
    )
    op.create_index(op.f("ix_judgement_participant_id"), "judgement", ["participant_id"], unique=False)
    op.create_index(
        "uq_judgement_place",
        "judgement",
        ["round_id", "trial_id", "place"],
        unique=True,
        postgresql_where=sa.text("place > 0 AND state <> 'returned'"),
    )
    op.drop_constraint("ck_judgement_state_is_known", "judgement")
    for table, name, condition in CHECKS:
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    op.execute(REFUSE)
    op.execute(APPEND_ONLY)
    op.execute(SIGNING_KEY)


def downgrade() -> None:
    for table, name, _ in CHECKS:
        op.drop_constraint(f"ck_{table}_{name}", table)
    op.execute("DELETE FROM judgement WHERE state IN ('open', 'returned')")
    op.create_check_constraint(op.f("ck_judgement_state_is_known"), "judgement", f"state IN ({WORK})")
    op.drop_index(
        "uq_judgement_place",
        table_name="judgement",
        postgresql_where=sa.text("place > 0 AND state <> 'returned'"),
    )
    op.drop_index(op.f("ix_judgement_participant_id"), table_name="judgement")
    op.drop_constraint(op.f("uq_judgement_round_id_trial_id_participant_id"), "judgement", type_="unique")
    op.create_unique_constraint(
        op.f("uq_judgement_round_id_trial_id_participant_id"),
        "judgement",
        ["round_id", "trial_id", "participant_id"],
        postgresql_nulls_not_distinct=True,
    )
    op.alter_column("judgement", "participant_id", existing_type=sa.UUID(), nullable=False)
    op.drop_column("judgement", "flags")
    op.drop_column("judgement", "leased_until")
    op.drop_column("judgement", "place")
    op.drop_constraint(op.f("fk_experiment_owner_id_account"), "experiment", type_="foreignkey")
    op.drop_index(op.f("ix_experiment_owner_id"), table_name="experiment")
    op.drop_column("experiment", "state")
    op.drop_column("experiment", "owner_id")
    op.drop_table("draft")
    op.drop_table("exposure")
    op.drop_table("spec_draft")
    op.drop_index(op.f("ix_session_account_id"), table_name="session")
    op.drop_table("session")
    op.drop_index(op.f("ix_invite_account_id"), table_name="invite")
    op.drop_table("invite")
    op.drop_index(op.f("ix_api_token_account_id"), table_name="api_token")
    op.drop_table("api_token")
    op.drop_table("account")
    op.drop_table("secret")
    op.drop_table("rate_count")
    op.drop_index("ix_audit_at", table_name="audit")
    op.drop_table("audit")
    op.execute("DROP FUNCTION audit_is_append_only()")
