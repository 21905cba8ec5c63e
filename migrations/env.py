"""Run migrations over the connection of the arena."""

from alembic import context

from models import Base


def include_name(name: str | None, kind: str, parents: object) -> bool:
    """Return whether a table belongs to the models; the queue's own tables do not."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Use `arena db upgrade`: migrations run over the arena's own connection.")
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    include_name=include_name,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
