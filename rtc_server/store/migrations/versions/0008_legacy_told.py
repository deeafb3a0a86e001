"""What an endpoint that adds was told of each session."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "rtc_legacy_told",
        sa.Column("focus_session_id", sa.CHAR(36), primary_key=True),
        sa.Column("told_focused_seconds", sa.BigInteger, nullable=False),
        sa.Column("told_unfocused_seconds", sa.BigInteger, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_unicode_ci",
    )
