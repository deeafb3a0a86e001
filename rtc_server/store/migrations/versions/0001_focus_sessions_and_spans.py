"""Our three tables: the FocusSessions, exactly, their spans, and when a second person was there.

The platform's table has no migration: it is created by `store.upgrade` where it does not exist.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

_moment = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_options: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_unicode_ci"}


def upgrade() -> None:
    op.create_table(
        "rtc_focus_sessions",
        sa.Column("focus_session_id", sa.CHAR(36), primary_key=True),
        sa.Column("platform_row_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("module_id", sa.BigInteger, nullable=False),
        sa.Column("section_id", sa.BigInteger),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("session_type", sa.String(16), nullable=False),
        sa.Column("started_at", _moment, nullable=False),
        sa.Column("recorded_at", _moment, nullable=False),
        sa.Column("ended_at", _moment),
        sa.Column("end_reason", sa.String(32)),
        sa.Column("focused_s", sa.Double, nullable=False),
        sa.Column("unfocused_s", sa.Double, nullable=False),
        sa.Column("unknown_s", sa.Double, nullable=False),
        sa.Column("multiple_faces_s", sa.Double, nullable=False),
        sa.Column("focus_sessions", sa.Integer, nullable=False),
        sa.Column("unfocus_sessions", sa.Integer, nullable=False),
        sa.Column("consent_at", _moment),
        sa.Column("calibration_error_deg", sa.Double),
        sa.Column("calibration_quality", sa.String(8)),
        sa.Index("rtc_focus_sessions_user", "user_id"),
        sa.Index("rtc_focus_sessions_recorded", "recorded_at"),
        **_options,
    )
    op.create_table(
        "rtc_focus_spans",
        sa.Column("focus_session_id", sa.CHAR(36), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start_s", sa.Double, nullable=False),
        sa.Column("end_s", sa.Double, nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        **_options,
    )
    op.create_table(
        "rtc_multiple_faces_spans",
        sa.Column("focus_session_id", sa.CHAR(36), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start_s", sa.Double, nullable=False),
        sa.Column("end_s", sa.Double, nullable=False),
        **_options,
    )
