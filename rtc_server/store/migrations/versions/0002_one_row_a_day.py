"""What a row of the platform's held before us, and an index to sum up our sessions that point at a row.

The platform's own table is not touched.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_options: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_unicode_ci"}


def upgrade() -> None:
    op.create_table(
        "rtc_platform_days",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("module_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("section_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("platform_row_id", sa.BigInteger),
        sa.Column("adopted", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("adopted_total_seconds", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("adopted_focused_seconds", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("adopted_unfocused_seconds", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("adopted_session_data", sa.Text),
        sa.Column("removed_focused_s", sa.Double, nullable=False, server_default="0"),
        sa.Column("removed_unfocused_s", sa.Double, nullable=False, server_default="0"),
        sa.Column("removed_unknown_s", sa.Double, nullable=False, server_default="0"),
        sa.Index("rtc_platform_days_row", "platform_row_id"),
        **_options,
    )
    op.create_index("rtc_focus_sessions_platform_row", "rtc_focus_sessions", ["platform_row_id"])
