"""The tables of the queue, as procrastinate 3.10 defines them."""

from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Every command that asks for the newest migration reads this file, and the queue takes a tenth of a second to import.
    from procrastinate.schema import SchemaManager

    _run(SchemaManager.get_schema())


def downgrade() -> None:
    _run(
        """
        DO $$ DECLARE thing record; BEGIN
          FOR thing IN SELECT tablename AS name FROM pg_tables
                       WHERE schemaname = current_schema() AND tablename LIKE 'procrastinate\\_%' LOOP
            EXECUTE format('DROP TABLE %I CASCADE', thing.name);
          END LOOP;
          FOR thing IN SELECT p.oid::regprocedure AS name FROM pg_proc p
                       JOIN pg_namespace n ON n.oid = p.pronamespace
                       WHERE n.nspname = current_schema() AND p.proname LIKE 'procrastinate\\_%' LOOP
            EXECUTE format('DROP FUNCTION %s CASCADE', thing.name);
          END LOOP;
          FOR thing IN SELECT t.typname AS name FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
                       WHERE n.nspname = current_schema() AND t.typtype IN ('e', 'c')
                         AND t.typname LIKE 'procrastinate\\_%' LOOP
            EXECUTE format('DROP TYPE %I CASCADE', thing.name);
          END LOOP;
        END $$
        """
    )


def _run(script: str) -> None:
    # Without parameters the driver takes several statements at once, and leaves % alone.
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(script)
