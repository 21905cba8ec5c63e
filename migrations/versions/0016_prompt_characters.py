"""The length of each prompt beside its call, so that prompts that a server cut can be found."""

from collections.abc import Sequence

from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the column; calls made before have no length."""
    op.execute("ALTER TABLE model_call ADD COLUMN characters integer")


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE model_call DROP COLUMN characters")
