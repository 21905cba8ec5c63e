"""Seats of trials that people take, and the judge for whom a trial is made."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

ONCE = ["arm_id", "question_id", "assignment", "replicate", "judge_id"]
"""The columns that identify a trial."""


def upgrade() -> None:
    op.create_table(
        "seat_place",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("trial_id", sa.Uuid(), nullable=False),
        sa.Column("seat", sa.Text(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("reads_passage", sa.Boolean(), nullable=False),
        sa.Column("once", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("lease_minutes", sa.Integer(), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "flags",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state IN ('open', 'waiting', 'done', 'returned')", name=op.f("ck_seat_place_state_is_known")
        ),
        sa.CheckConstraint(
            "(state = 'open') = (participant_id IS NULL)", name=op.f("ck_seat_place_open_is_nobodys")
        ),
        sa.CheckConstraint(
            "leased_until IS NULL OR state = 'waiting'", name=op.f("ck_seat_place_leases_end_with_the_work")
        ),
        sa.CheckConstraint("lease_minutes > 0", name=op.f("ck_seat_place_leases_last")),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_seat_place_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trial.id"], name=op.f("fk_seat_place_trial_id_trial"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat_place")),
        sa.UniqueConstraint("trial_id", "participant_id", name=op.f("uq_seat_place_trial_id_participant_id")),
    )
    op.create_index(op.f("ix_seat_place_participant_id"), "seat_place", ["participant_id"])
    op.create_index(
        "uq_seat_place_seat",
        "seat_place",
        ["trial_id", "seat"],
        unique=True,
        postgresql_where=sa.text("state <> 'returned'"),
    )
    op.create_index(
        "ix_seat_place_open", "seat_place", ["trial_id"], postgresql_where=sa.text("state = 'open'")
    )
    op.create_index(
        "ix_seat_place_leased_until",
        "seat_place",
        ["leased_until"],
        postgresql_where=sa.text("leased_until IS NOT NULL"),
    )
    op.add_column("trial", sa.Column("place", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_trial_place_is_not_negative"), "trial", "place >= 0")
    _one_trial_for([*ONCE, "place"], before=ONCE)
    _owner_of_drafts("seat_place_id", "seat_place", before="trial_id")


def downgrade() -> None:
    _owner_of_drafts("trial_id", "trial", before="seat_place_id")
    op.execute("DELETE FROM trial WHERE place > 0")
    _one_trial_for(ONCE, before=[*ONCE, "place"])
    op.drop_constraint(op.f("ck_trial_place_is_not_negative"), "trial")
    op.drop_column("trial", "place")
    op.drop_table("seat_place")


def _one_trial_for(columns: list[str], *, before: list[str]) -> None:
    op.drop_constraint(op.f(f"uq_trial_{'_'.join(before)}"), "trial")
    op.create_unique_constraint(
        op.f(f"uq_trial_{'_'.join(columns)}"), "trial", columns, postgresql_nulls_not_distinct=True
    )


def _owner_of_drafts(column: str, table: str, *, before: str) -> None:
    """Change the column that owns drafts outside judgements from `before`, and delete the drafts that it owns."""
    owner = sa.column(before)
    op.execute(sa.delete(sa.table("draft", owner)).where(owner.is_not(None)))
    op.drop_constraint(op.f("ck_draft_one_owner"), "draft")
    op.drop_constraint(op.f(f"uq_draft_{before}_path"), "draft")
    op.drop_column("draft", before)
    op.add_column("draft", sa.Column(column, sa.Uuid(), nullable=True))
    op.create_unique_constraint(op.f(f"uq_draft_{column}_path"), "draft", [column, "path"])
    op.create_foreign_key(
        op.f(f"fk_draft_{column}_{table}"), "draft", table, [column], ["id"], ondelete="CASCADE"
    )
    op.create_check_constraint(
        op.f("ck_draft_one_owner"), "draft", f"num_nonnulls({column}, judgement_id) = 1"
    )
