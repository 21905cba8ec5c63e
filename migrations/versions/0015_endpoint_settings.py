"""Endpoints have headers, a query and a way with system messages, which those that are there do not set."""

from collections.abc import Sequence

from alembic import op

revision: str = "0015"
down_revision = "0014"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

UP = """
ALTER TABLE endpoint
    ADD more jsonb DEFAULT '{}'::jsonb NOT NULL,
    ADD CONSTRAINT ck_endpoint_more_is_an_object CHECK (jsonb_typeof(more) = 'object'),
    DROP CONSTRAINT uq_endpoint_name_base_url_api_key_env,
    ADD CONSTRAINT uq_endpoint_name_base_url_api_key_env_more
        UNIQUE NULLS NOT DISTINCT (name, base_url, api_key_env, more)
"""

# Endpoints that differ in what is lost keep their rows under other names.
DOWN = """
UPDATE endpoint SET name = endpoint.name || '-' || left(endpoint.id::text, 8)
FROM endpoint AS other
WHERE other.name = endpoint.name AND other.base_url = endpoint.base_url AND other.id < endpoint.id
    AND other.api_key_env IS NOT DISTINCT FROM endpoint.api_key_env;
ALTER TABLE endpoint
    DROP CONSTRAINT uq_endpoint_name_base_url_api_key_env_more,
    DROP CONSTRAINT ck_endpoint_more_is_an_object,
    DROP more,
    ADD CONSTRAINT uq_endpoint_name_base_url_api_key_env UNIQUE NULLS NOT DISTINCT (name, base_url, api_key_env)
"""


def upgrade() -> None:
    """Add the settings."""
    op.execute(UP)


def downgrade() -> None:
    """Drop them."""
    op.execute(DOWN)
