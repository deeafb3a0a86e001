"""For an endpoint that adds: how many seconds of a session are new since the last time it was told."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from rtc_server.store.schema import legacy_told

_told = legacy_told.c


async def note_differences(
    connection: AsyncConnection, events: Sequence[Mapping[str, Any]]
) -> list[tuple[int, int] | None]:
    """events: what each says of its session, in order. Returns new seconds, focused and unfocused, or None.

    They are noted as told. The caller has the sessions' rows locked. Whole seconds are rounded from the totals, so the
    differences of a session add up to its total, to half a second, and none is negative.
    """
    keys = {data["focus_session_id"] for data in events}
    columns = (_told.focus_session_id, _told.told_focused_seconds, _told.told_unfocused_seconds)
    rows = await connection.execute(select(*columns).where(_told.focus_session_id.in_(keys)))
    before = {key: (int(focused), int(unfocused)) for key, focused, unfocused in rows}
    told = dict(before)
    found: list[tuple[int, int] | None] = []
    for data in events:
        had = told.get(data["focus_session_id"], (0, 0))
        now = (max(had[0], _whole(data["focused_s"])), max(had[1], _whole(data["unfocused_s"])))
        told[data["focus_session_id"]] = now
        new = (now[0] - had[0], now[1] - had[1])
        found.append(new if any(new) else None)
    for key, (focused, unfocused) in told.items():
        values = {"told_focused_seconds": focused, "told_unfocused_seconds": unfocused}
        if key not in before:
            await connection.execute(insert(legacy_told).values(focus_session_id=key, **values))
        elif before[key] != (focused, unfocused):
            await connection.execute(update(legacy_told).where(_told.focus_session_id == key).values(values))
    return found


async def forget_differences(connection: AsyncConnection, focus_session_ids: Collection[str]) -> None:
    """Of sessions that are removed."""
    await connection.execute(delete(legacy_told).where(_told.focus_session_id.in_(focus_session_ids)))


def _whole(seconds: float) -> int:
    return math.floor(seconds + 0.5)
