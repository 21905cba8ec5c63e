"""Participants of imported studies: they have neither endpoint nor account, and answer nothing here."""

from collections.abc import Sequence

from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Mark those who are imported; no one is so far."""
    op.execute("ALTER TABLE participant ADD COLUMN imported boolean DEFAULT false NOT NULL")
    op.execute("ALTER TABLE participant DROP CONSTRAINT ck_participant_models_have_endpoints")
    op.execute(
        "ALTER TABLE participant ADD CONSTRAINT ck_participant_models_have_endpoints "
        "CHECK ((kind = 'model' AND NOT imported) = (endpoint_id IS NOT NULL))"
    )


def downgrade() -> None:
    """Drop the mark. Imported models have no endpoint, so their experiments must go first."""
    op.execute(
        "DELETE FROM experiment WHERE id IN (SELECT experiment_id FROM arm WHERE protocol = 'imported')"
    )
    op.execute("DELETE FROM participant WHERE imported")
    op.execute("ALTER TABLE participant DROP CONSTRAINT ck_participant_models_have_endpoints")
    op.execute("ALTER TABLE participant DROP COLUMN imported")
    op.execute(
        "ALTER TABLE participant ADD CONSTRAINT ck_participant_models_have_endpoints "
        "CHECK ((kind = 'model') = (endpoint_id IS NOT NULL))"
    )
