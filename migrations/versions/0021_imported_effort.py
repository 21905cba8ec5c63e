"""Effort that people put in elsewhere comes with imported experiments, and belongs to no account here."""

from collections.abc import Sequence

from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Let a draft be of no account."""
    op.execute("ALTER TABLE draft ALTER COLUMN account_id DROP NOT NULL")


def downgrade() -> None:
    """Delete the effort of no account, and let every draft be of an account."""
    op.execute("DELETE FROM draft WHERE account_id IS NULL")
    op.execute("ALTER TABLE draft ALTER COLUMN account_id SET NOT NULL")
