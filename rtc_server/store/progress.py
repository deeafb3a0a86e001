"""Decides which of two records of one FocusSession is newer.

A server knows the order of its own records. This is for records that another server left in the spool. That server may
have stored a newer one, which only the database knows.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.record import FocusRecord
from rtc_server.store.schema import focus_sessions


def progress(record: FocusRecord) -> tuple[float, datetime]:
    """A key that is greater for the newer of two records of one FocusSession.

    The measured time never shrinks, even if the host's clock is set back. If it is equal, the clock decides.
    """
    totals = record.totals
    return totals.focused_s + totals.unfocused_s + totals.unknown_s, record.recorded_at


async def overtaken(connection: AsyncConnection, records: Sequence[FocusRecord]) -> set[str]:
    """The ids of the sessions for which the database has this record or a newer one.

    Call it in the writing transaction. It locks their rows, so it waits for a commit of a killed server that has not
    finished.
    """
    if not records:
        return set()
    columns = focus_sessions.c
    query = select(
        columns.focus_session_id, columns.focused_s, columns.unfocused_s, columns.unknown_s, columns.recorded_at
    ).where(columns.focus_session_id.in_([record.focus_session_id for record in records]))
    rows = await connection.execute(query.with_for_update())
    stored = {row.focus_session_id: (row.focused_s + row.unfocused_s + row.unknown_s, row.recorded_at) for row in rows}
    present = [record for record in records if record.focus_session_id in stored]
    return {one.focus_session_id for one in present if stored[one.focus_session_id] >= progress(one)}
