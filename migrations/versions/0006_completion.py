"""The completion code and address that judges of an invite can show their recruiter."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    for name in ("completion_code", "completion_url"):
        op.add_column("invite", sa.Column(name, sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    for name in ("completion_url", "completion_code"):
        op.drop_column("invite", name)
