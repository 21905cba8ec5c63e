"""Passages get the passage whose twin they are, and a family: what a person has seen of one, they have seen of all.

Until now the text alone decided that, so each passage's family is its text's digest.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.execute("ALTER TABLE passage ADD COLUMN family bytea, ADD COLUMN twin_of uuid")
    op.execute("UPDATE passage SET family = text_digest")
    op.execute(
        """
        ALTER TABLE passage
            ALTER COLUMN family SET NOT NULL,
            ADD CONSTRAINT ck_passage_family_is_sha256 CHECK (length(family) = 32),
            ADD CONSTRAINT ck_passage_twin_of_another CHECK (twin_of <> id),
            ADD CONSTRAINT uq_passage_twin_of UNIQUE (twin_of),
            ADD CONSTRAINT fk_passage_twin_of_task_set_id_passage FOREIGN KEY (twin_of, task_set_id)
                REFERENCES passage (id, task_set_id) ON DELETE CASCADE
        """
    )
    op.execute("CREATE INDEX ix_passage_family ON passage (family)")


def downgrade() -> None:
    """Make single passages of twins: what people may see is decided by the text alone again."""
    op.execute("ALTER TABLE passage DROP COLUMN family, DROP COLUMN twin_of")
