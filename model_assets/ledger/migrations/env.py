"""Alembic's environment: runs on the connection that `model_assets.ledger.migrate.migrate` hands over, never on one of its own."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="alembic_version", version_table_schema="ops", transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
