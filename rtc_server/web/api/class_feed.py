"""Who is live in a module, for the teachers who look on.

One task for each module that somebody looks at asks once a second who is there, and puts what has changed into the
mailbox of each reader (`class_reader`).
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from pydantic import BaseModel

from rtc_server.errors import RateLimited
from rtc_server.focus.state import FocusState
from rtc_server.peer.live_class import LiveLearner
from rtc_server.web.api import schemas
from rtc_server.web.api.class_reader import Reader

logger = logging.getLogger(__name__)

EVERY_S = 1.0
"""What happens faster cannot be read by a person."""
REFRESH_S = 2.0
"""Sums grow all the time. Where nothing else has changed, a learner's event is this old at most."""
MAX_READERS = 64
"""Of the whole server."""
MAX_READERS_OF_USER = 4
RETRY_AFTER_S = 10.0


class LiveLearners(Protocol):
    """Implemented by the registry's LiveClass; with several servers, by what brings theirs together."""

    def learners(self, module_id: int) -> Sequence[LiveLearner]: ...


@dataclass(slots=True)
class _Told:
    """What all readers of a module know of one learner."""

    news: tuple[object, ...]
    at: float


class ClassFeed:
    """Use it from the event loop. `close` ends everything."""

    def __init__(self, live: LiveLearners, *, min_group: int) -> None:
        """min_group: where it is not 0, readers get totals only, and these only of so many learners or more."""
        self._live = live
        self._min_group = min_group
        self._readers: dict[int, set[Reader]] = {}
        """By module."""
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._newcomers: dict[int, asyncio.Event] = {}
        """Set where somebody waits for a first event."""

    def join(self, module_id: int, user_id: int) -> Reader:
        """The caller leaves again. Raises RateLimited."""
        everybody = [reader for readers in self._readers.values() for reader in readers]
        own = sum(reader.user_id == user_id for reader in everybody)
        if len(everybody) >= MAX_READERS or own >= MAX_READERS_OF_USER:
            raise RateLimited("Too many pages show a class already. Close one, or try again later.", RETRY_AFTER_S)
        reader = Reader(module_id, user_id)
        self._readers.setdefault(module_id, set()).add(reader)
        newcomer = self._newcomers.setdefault(module_id, asyncio.Event())
        task = self._tasks.get(module_id)
        if task is None or task.done():
            self._tasks[module_id] = asyncio.create_task(self._watch(module_id, newcomer), name="class feed")
        newcomer.set()
        return reader

    def leave(self, reader: Reader) -> None:
        readers = self._readers.get(reader.module_id, set())
        readers.discard(reader)
        if not readers:
            self._readers.pop(reader.module_id, None)
            self._newcomers.pop(reader.module_id, None)
            task = self._tasks.pop(reader.module_id, None)
            if task is not None:
                task.cancel()

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for reader in [reader for readers in self._readers.values() for reader in readers]:
            reader.close()
            self.leave(reader)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, module_id: int, newcomer: asyncio.Event) -> None:
        told: dict[str, _Told] = {}
        totals: schemas.ClassTotals | None = None
        readers = self._readers[module_id]
        try:
            while True:
                learners = self._live.learners(module_id)
                events = self._changes(learners, told)
                now_totals = self._totals(learners)
                if now_totals != totals:
                    totals = now_totals
                    events["totals"] = _event("totals", totals)
                for reader in readers:
                    if reader.wants_all:
                        reader.begin(self._whole(module_id, learners))
                    else:
                        for key, event in events.items():
                            reader.put(key, event)
                newcomer.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_S):
                        await newcomer.wait()
        except Exception:
            logger.exception("a class is no longer shown")
            for reader in readers:
                reader.close()  # the page connects again

    def _changes(self, learners: Sequence[LiveLearner], told: dict[str, _Told]) -> dict[str, bytes]:
        if self._min_group:
            return {}
        now = asyncio.get_running_loop().time()
        events = {}
        for one in learners:
            key, before = one.focus_session_id, told.get(one.focus_session_id)
            news = _news(one)
            grows = one.connected and before is not None and now - before.at >= REFRESH_S
            if before is None or before.news != news or grows:
                told[key] = _Told(news, now)
                events[key] = _event("learner", _described(one))
        for key in told.keys() - {one.focus_session_id for one in learners}:
            del told[key]
            events[key] = _event("left", _Left(focus_session_id=key))
        return events

    def _whole(self, module_id: int, learners: Sequence[LiveLearner]) -> bytes:
        shown = [] if self._min_group else [_described(one) for one in learners]
        whole = schemas.LiveClass(
            at=datetime.now(UTC), module_id=module_id, learners=shown, totals=self._totals(learners)
        )
        return _event("class", whole)

    def _totals(self, learners: Sequence[LiveLearner]) -> schemas.ClassTotals | None:
        here = [one for one in learners if one.end_reason is None]
        if len({one.learner.user_id for one in here}) < self._min_group:
            return None
        count = {state: sum(one.state is state for one in here) for state in FocusState}
        return schemas.ClassTotals(
            learners=len(here),
            focused=count[FocusState.FOCUSED],
            unfocused=count[FocusState.UNFOCUSED],
            unknown=count[FocusState.UNKNOWN],
            gone=0 if self._min_group else len(learners) - len(here),
        )


class _Left(BaseModel):
    focus_session_id: str


def _news(one: LiveLearner) -> tuple[object, ...]:
    """What a reader is told of at once."""
    flags = (one.paused, one.connected, one.second_person)
    return (one.state, one.reason, *flags, one.calibration_quality, one.end_reason, one.display_name)


def _described(one: LiveLearner) -> schemas.LiveLearner:
    return schemas.LiveLearner(
        focus_session_id=one.focus_session_id,
        user_id=one.learner.user_id,
        display_name=one.display_name,
        module_id=one.learner.module_id,
        section_id=one.learner.section_id,
        state=one.state,
        reason=one.reason,
        since=one.since,
        paused=one.paused,
        connected=one.connected,
        second_person=one.second_person,
        calibration_quality=one.calibration_quality,
        focused_s=one.totals.focused_s,
        unfocused_s=one.totals.unfocused_s,
        unknown_s=one.totals.unknown_s,
        started_at=one.started_at,
        end_reason=one.end_reason,
        recent=[schemas.RecentStretch.model_validate(stretch) for stretch in one.recent],
    )


def _event(name: str, data: BaseModel | None) -> bytes:
    """As Server-Sent Events has it (HTML standard, 9.2)."""
    text = data.model_dump_json() if data is not None else "null"
    return f"event: {name}\ndata: {text}\n\n".encode()
