"""Finds the day of a moment in the database's own time zone, which the platform's `CURDATE()` uses."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.store.schema import MYSQL, as_utc

POSTGRESQL_ZONE = "rtc_time_zone"
"""Key in a connection's `info`: engine.py stores the zone that PostgreSQL gave before it sets the connection to UTC."""

_IN_MYSQL = text(
    "SELECT day, CONVERT_TZ(CAST(day AS DATETIME), @@global.time_zone, '+00:00'), "
    "CONVERT_TZ(CAST(day + INTERVAL 1 DAY AS DATETIME), @@global.time_zone, '+00:00') "
    "FROM (SELECT DATE(CONVERT_TZ(:moment, '+00:00', @@global.time_zone)) AS day) AS today"
)
_IN_POSTGRESQL = text(
    "SELECT day, CAST(day AS timestamp) AT TIME ZONE :zone, CAST(day + 1 AS timestamp) AT TIME ZONE :zone "
    "FROM (SELECT CAST(CAST(:moment AS timestamptz) AT TIME ZONE :zone AS date) AS day) AS today"
)


@dataclass(frozen=True, slots=True)
class CalendarDay:
    day: date
    begins: datetime
    """UTC, aware. So is `ends`, the first moment of the next day."""
    ends: datetime


async def calendar_day(connection: AsyncConnection, moment: datetime) -> CalendarDay:
    """The day of `moment` (aware). SQLite has no time zone, so there it is the day in UTC."""
    dialect = connection.dialect.name
    if dialect in MYSQL:
        found = (await connection.execute(_IN_MYSQL, {"moment": _naive(moment)})).one()
    elif dialect == "postgresql":
        zone = (await connection.get_raw_connection()).info[POSTGRESQL_ZONE]
        found = (await connection.execute(_IN_POSTGRESQL, {"moment": moment, "zone": zone})).one()
    else:
        return _day_in_utc(moment)
    day, begins, ends = found
    # MySQL answers NULL if it has no table of the zone.
    return CalendarDay(day, as_utc(begins), as_utc(ends)) if begins and ends else _day_in_utc(moment)


def _day_in_utc(moment: datetime) -> CalendarDay:
    day = moment.astimezone(UTC).date()
    begins = datetime.combine(day, time(), UTC)
    return CalendarDay(day, begins, begins + timedelta(days=1))


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
