"""Events that wait to be sent to other systems."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0007"
down_revision = "0006"

_moment = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "rtc_outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.CHAR(36), nullable=False),
        sa.Column("sink", sa.String(16), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("focus_session_id", sa.CHAR(36)),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("occurred_at", _moment, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("sending", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("next_attempt_at", _moment, nullable=False),
        sa.Column("dead_since", _moment),
        sa.Column("last_error", sa.String(200)),
        sqlite_autoincrement=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_unicode_ci",
    )
    op.create_index("rtc_outbox_due", "rtc_outbox", ["dead_since", "sink", "next_attempt_at"])
    op.create_index("rtc_outbox_session", "rtc_outbox", ["focus_session_id", "id"])
    op.create_index("rtc_outbox_user", "rtc_outbox", ["user_id"])
