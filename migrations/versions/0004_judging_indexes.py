"""Indexes for the frequent queries of judging: open places, and expired leases."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_judgement_open", "judgement", ["trial_id"], postgresql_where=sa.text("state = 'open'")
    )
    op.create_index(
        "ix_judgement_leased_until",
        "judgement",
        ["leased_until"],
        postgresql_where=sa.text("leased_until IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_judgement_leased_until", "judgement")
    op.drop_index("ix_judgement_open", "judgement")
