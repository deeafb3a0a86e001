"""How many spans of a session were merged because there were too many."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("rtc_focus_sessions", sa.Column("merged_spans", sa.Integer, nullable=False, server_default="0"))
