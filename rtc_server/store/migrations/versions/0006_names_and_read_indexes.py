"""The name that a learner is shown by, and indexes for those who read."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_SESSIONS = "rtc_focus_sessions"


def upgrade() -> None:
    op.add_column(_SESSIONS, sa.Column("display_name", sa.String(80)))
    measured = ["section_id", "focused_s", "unfocused_s", "unknown_s"]
    op.create_index("rtc_focus_sessions_module", _SESSIONS, ["module_id", "started_at"])
    op.create_index("rtc_focus_sessions_section", _SESSIONS, ["module_id", "section_id", "started_at"])
    op.create_index("rtc_focus_sessions_sums", _SESSIONS, ["module_id", "user_id", "started_at", *measured])
    op.create_index("rtc_platform_days_adopted", "rtc_platform_days", ["module_id", "adopted"])
    op.create_index("rtc_focus_sessions_row_owner", _SESSIONS, ["platform_row_id", "user_id", "module_id"])
    op.create_table(
        "rtc_platform_only",
        sa.Column("platform_row_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("module_id", sa.BigInteger, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_unicode_ci",
    )
    op.create_index("rtc_platform_only_module", "rtc_platform_only", ["module_id"])
    op.create_table(
        "rtc_platform_seen",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("row_id", sa.BigInteger, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_unicode_ci",
    )
    op.drop_index("rtc_focus_sessions_platform_row", _SESSIONS)  # the new one begins with the same column
