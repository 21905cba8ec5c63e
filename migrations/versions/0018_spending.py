"""What each experiment has taken of its models, kept beside its calls, and caps that were changed after the start."""

from collections.abc import Sequence

from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Make the table, with a row for the calls that were made before; tokens that no server counted are counted by
    characters, as the arena does from now on.
    """
    op.execute("ALTER TABLE experiment ADD COLUMN cap jsonb")
    op.execute(
        """
        CREATE TABLE spending (
            experiment_id uuid NOT NULL
                CONSTRAINT fk_spending_experiment_id_experiment REFERENCES experiment (id) ON DELETE CASCADE,
            process uuid NOT NULL,
            endpoint text NOT NULL,
            model text NOT NULL,
            calls bigint NOT NULL,
            prompt bigint NOT NULL,
            cached bigint NOT NULL,
            completion bigint NOT NULL,
            CONSTRAINT pk_spending PRIMARY KEY (experiment_id, process, endpoint, model)
        )
        """
    )
    op.execute(
        """
        INSERT INTO spending
        SELECT experiment_id, '00000000-0000-0000-0000-000000000000', endpoint, model,
               count(*), sum(CASE WHEN cached <= sent THEN sent ELSE sent + cached END), sum(cached), sum(written)
        FROM (
            SELECT play.experiment_id, model_call.endpoint, model_call.model,
                   coalesce(tokens_cached, 0) AS cached,
                   CASE WHEN status IN ('ok', 'timeout', 'unreadable')
                        THEN coalesce(tokens_in, round(coalesce(characters, 0) / 4.4), 0) ELSE 0 END AS sent,
                   CASE WHEN status = 'ok'
                        THEN coalesce(tokens_out, round(length(reply ->> 'text') / 4.4), 0) ELSE 0 END AS written
            FROM call_attempt
            JOIN model_call ON model_call.id = call_attempt.call_id
            JOIN play ON play.id = model_call.play_id
        ) AS attempt
        GROUP BY experiment_id, endpoint, model
        """
    )


def downgrade() -> None:
    """Drop both: the use can be counted again from the calls."""
    op.execute("DROP TABLE spending")
    op.execute("ALTER TABLE experiment DROP COLUMN cap")
