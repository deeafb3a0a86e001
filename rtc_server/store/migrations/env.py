"""Alembic runs this file. It runs the migrations on the connection that `store.upgrade` holds."""

from alembic import context

_attributes = context.config.attributes
context.configure(connection=_attributes["connection"], version_table=_attributes["version_table"])
with context.begin_transaction():
    context.run_migrations()
