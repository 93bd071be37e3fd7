"""What Alembic runs: the migrations, on the connection and in the transaction that `migrate.py` made."""

from alembic import context

from metrics.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # true of SQLite as well, once the driver leaves BEGIN to us
    render_as_batch=True,
)
context.run_migrations()
