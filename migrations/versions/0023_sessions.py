"""When a session was last in use."""

from collections.abc import Sequence

from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Take sessions that are there for in use now."""
    op.execute("ALTER TABLE session ADD COLUMN seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL")


def downgrade() -> None:
    """Forget it."""
    op.execute("ALTER TABLE session DROP COLUMN seen_at")
