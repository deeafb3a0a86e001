"""Which server has a session, and what the next one needs to go on with it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"

_moment = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "rtc_servers",
        sa.Column("server_id", sa.CHAR(36), primary_key=True),
        sa.Column("expires_at", _moment, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_unicode_ci",
    )
    for column in (
        sa.Column("server_id", sa.CHAR(36)),
        sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("resumption", sa.Text),
    ):
        op.add_column("rtc_focus_sessions", column)
    op.create_index("rtc_focus_sessions_open", "rtc_focus_sessions", ["ended_at", "recorded_at"])
