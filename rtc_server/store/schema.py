"""The tables: the platform's one and our own.

There is no foreign key between the platform's table and ours. The platform may delete or change its rows; the next
write notices it.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Double,
    Enum,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from rtc_server.focus.state import FocusState
from rtc_server.learner import MAX_NAME

MYSQL = ("mysql", "mariadb")
SESSION_TYPES = ("viewing", "pause", "resume")
_TABLE_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}


def as_utc(moment: datetime) -> datetime:
    """The moment as an aware UTC time. Databases without time zones hold UTC, as all our connections use UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, exact to the microsecond on every database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        if dialect.name in MYSQL:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else as_utc(value)


# -- the platform's

platform_metadata = MetaData()


class _TimeOfLastChange(FunctionElement[datetime]):
    inherit_cache = True


@compiles(_TimeOfLastChange)
def _now(_element: _TimeOfLastChange, _compiler: SQLCompiler, **_options: object) -> str:
    return "CURRENT_TIMESTAMP"


@compiles(_TimeOfLastChange, *MYSQL)
def _kept_by_mysql(_element: _TimeOfLastChange, _compiler: SQLCompiler, **_options: object) -> str:
    return "CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"


_timestamp = DateTime(timezone=True).with_variant(mysql.TIMESTAMP(), *MYSQL)

platform_rows = Table(
    "eye_tracking_sessions",
    platform_metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("user_id", Integer, nullable=False),
    Column("module_id", Integer, nullable=False),
    Column("section_id", Integer),
    Column("total_time_seconds", Integer, server_default=text("0")),
    Column(
        "session_type",
        Enum(*SESSION_TYPES, native_enum=False).with_variant(mysql.ENUM(*SESSION_TYPES), *MYSQL),
        server_default="viewing",
    ),
    Column("created_at", _timestamp, nullable=False, server_default=text("CURRENT_TIMESTAMP")),
    Column(
        "last_updated",
        _timestamp,
        nullable=False,
        server_default=_TimeOfLastChange(),
        # PostgreSQL and SQLite do not update it by themselves, nor do all existing tables.
        onupdate=text("CURRENT_TIMESTAMP"),
    ),
    Column("focused_time_seconds", Integer, server_default=text("0")),
    Column("unfocused_time_seconds", Integer, server_default=text("0")),
    Column("session_data", Text),
    CheckConstraint("session_type IN ('viewing', 'pause', 'resume')").ddl_if(
        callable_=lambda *_, dialect, **_options: dialect.name not in MYSQL
    ),
    Index("idx_user_module", "user_id", "module_id"),
    Index("idx_user_section", "user_id", "section_id"),
    Index("idx_created_at", "created_at"),
    sqlite_autoincrement=True,
    **_TABLE_OPTIONS,
)
"""Created only where it does not exist, and never altered."""

# -- our own

own_metadata = MetaData()

focus_sessions = Table(
    "rtc_focus_sessions",
    own_metadata,
    Column("focus_session_id", CHAR(36), primary_key=True),
    Column("platform_row_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("module_id", BigInteger, nullable=False),
    Column("section_id", BigInteger),
    Column("policy", String(64), nullable=False),
    Column("session_type", String(16), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("end_reason", String(32)),
    Column("focused_s", Double, nullable=False),
    Column("unfocused_s", Double, nullable=False),
    Column("unknown_s", Double, nullable=False),
    Column("multiple_faces_s", Double, nullable=False),
    Column("focused_stretches", Integer, nullable=False),
    Column("unfocused_stretches", Integer, nullable=False),
    Column("consent_at", UtcDateTime),
    Column("calibration_error_deg", Double),
    Column("calibration_quality", String(8)),
    Column("merged_spans", Integer, nullable=False, server_default="0"),
    Column("server_id", CHAR(36)),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("resumption", Text),
    Column("display_name", String(MAX_NAME)),
    Index("rtc_focus_sessions_user", "user_id"),
    Index("rtc_focus_sessions_module", "module_id", "started_at"),
    Index("rtc_focus_sessions_section", "module_id", "section_id", "started_at"),
    Index(
        "rtc_focus_sessions_sums",
        "module_id",
        "user_id",
        "started_at",
        "section_id",
        "focused_s",
        "unfocused_s",
        "unknown_s",
    ),
    Index("rtc_focus_sessions_open", "ended_at", "recorded_at"),
    Index("rtc_focus_sessions_recorded", "recorded_at"),
    Index("rtc_focus_sessions_row_owner", "platform_row_id", "user_id", "module_id"),
    **_TABLE_OPTIONS,
)
"""`platform_row_id` is the id of the platform's row that includes the session's time.

`server_id` is the server that measures it, and `fence` how often that has changed: a server that still has an older
number writes nothing. `resumption` is what the next server needs to go on, as JSON.

Sums are made from the index `rtc_focus_sessions_sums` alone: it holds all that they need.
"""

servers = Table(
    "rtc_servers",
    own_metadata,
    Column("server_id", CHAR(36), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
    **_TABLE_OPTIONS,
)
"""The leases: a server that has not renewed its own by `expires_at`, by the database's clock, is taken for dead."""

platform_days = Table(
    "rtc_platform_days",
    own_metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("module_id", BigInteger, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),
    Column("section_id", BigInteger, primary_key=True, autoincrement=False),
    Column("platform_row_id", BigInteger),
    Column("adopted", Boolean, nullable=False, server_default=false()),
    Column("adopted_total_seconds", BigInteger, nullable=False, server_default="0"),
    Column("adopted_focused_seconds", BigInteger, nullable=False, server_default="0"),
    Column("adopted_unfocused_seconds", BigInteger, nullable=False, server_default="0"),
    Column("adopted_session_data", Text),
    Column("removed_focused_s", Double, nullable=False, server_default="0"),
    Column("removed_unfocused_s", Double, nullable=False, server_default="0"),
    Column("removed_unknown_s", Double, nullable=False, server_default="0"),
    Index("rtc_platform_days_row", "platform_row_id"),
    Index("rtc_platform_days_adopted", "module_id", "adopted"),
    **_TABLE_OPTIONS,
)
"""One row for each platform row of a day. A transaction that writes the day locks it first.

`section_id` is the platform row's, or 0 if it has none. `adopted_…` is what the row held before we added to it.
`removed_…` is the time of our sessions in it that were removed later.
"""

outbox = Table(
    "rtc_outbox",
    own_metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", CHAR(36), nullable=False),
    Column("sink", String(16), nullable=False),
    Column("type", String(32), nullable=False),
    Column("focus_session_id", CHAR(36)),
    Column("user_id", BigInteger, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("sending", Boolean, nullable=False, server_default=false()),
    Column("next_attempt_at", UtcDateTime, nullable=False),
    Column("dead_since", UtcDateTime),
    Column("last_error", String(200)),
    Index("rtc_outbox_due", "dead_since", "sink", "next_attempt_at"),
    Index("rtc_outbox_session", "focus_session_id", "id"),
    Index("rtc_outbox_user", "user_id"),
    sqlite_autoincrement=True,
    **_TABLE_OPTIONS,
)
"""Events that other systems are to be told, one row for each sink: see `outbox/`. A row goes once it has arrived.

`next_attempt_at` is in the future while a server sends it (`sending`). It is by the database's clock.
"""

legacy_told = Table(
    "rtc_legacy_told",
    own_metadata,
    Column("focus_session_id", CHAR(36), primary_key=True),
    Column("told_focused_seconds", BigInteger, nullable=False),
    Column("told_unfocused_seconds", BigInteger, nullable=False),
    **_TABLE_OPTIONS,
)
"""Whole seconds of a session that were put into the outbox for an endpoint that adds."""

platform_only = Table(
    "rtc_platform_only",
    own_metadata,
    Column("platform_row_id", BigInteger, primary_key=True, autoincrement=False),
    Column("module_id", BigInteger, nullable=False),
    Index("rtc_platform_only_module", "module_id"),
    **_TABLE_OPTIONS,
)
"""Rows of the platform's table that held no session of ours when they were looked at: see `platform/catalogue.py`."""

platform_seen = Table(
    "rtc_platform_seen",
    own_metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("row_id", BigInteger, nullable=False),
    **_TABLE_OPTIONS,
)
"""One row: the id up to which the platform's rows were looked at."""

focus_spans = Table(
    "rtc_focus_spans",
    own_metadata,
    Column("focus_session_id", CHAR(36), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("start_s", Double, nullable=False),
    Column("end_s", Double, nullable=False),
    Column("state", String(max(map(len, FocusState))), nullable=False),
    Column("reason", String(32), nullable=False),
    **_TABLE_OPTIONS,
)

multiple_faces_spans = Table(
    "rtc_multiple_faces_spans",
    own_metadata,
    Column("focus_session_id", CHAR(36), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("start_s", Double, nullable=False),
    Column("end_s", Double, nullable=False),
    **_TABLE_OPTIONS,
)
"""Times when a second person was in the picture, in any state."""
