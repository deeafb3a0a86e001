"""`focus_sessions` was the name of a count in a table of FocusSessions: the counts are of stretches."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for old, new in (("focus_sessions", "focused_stretches"), ("unfocus_sessions", "unfocused_stretches")):
        if op.get_context().dialect.name == "sqlite":
            # Alembic itself would copy the whole table.
            op.execute(f"ALTER TABLE rtc_focus_sessions RENAME COLUMN {old} TO {new}")
        else:
            op.alter_column(
                "rtc_focus_sessions", old, new_column_name=new, existing_type=sa.Integer, existing_nullable=False
            )
