"""A session's previous token, and until when it is accepted; invites of one admin or researcher each."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("session", sa.Column("previous_digest", sa.LargeBinary(length=32), nullable=True))
    op.add_column("session", sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True))
    op.create_unique_constraint(op.f("uq_session_previous_digest"), "session", ["previous_digest"])
    op.execute(
        "UPDATE invite SET revoked_at = now() "
        "WHERE shared AND role IN ('admin', 'researcher') AND revoked_at IS NULL"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("uq_session_previous_digest"), "session", type_="unique")
    op.drop_column("session", "previous_until")
    op.drop_column("session", "previous_digest")
