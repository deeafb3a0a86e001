"""A published learner who comes back when the connection is lost, as the page does."""

import asyncio
import random
from collections.abc import Callable

import aiohttp

from rtc_server.publisher.clip_track import ClipTrack
from rtc_server.publisher.published_learner import PublishedLearner, Update

SILENCE_S = 2.0
"""Without an update for so long the server counts as gone. It sends several a second."""
RETRY_AFTER_S = (0.4, 0.8)
"""At random between these, so that not all come back in the same moment."""
GIVE_UP_AFTER_S = 120.0

MakeTrack = Callable[[float], ClipTrack]
"""A camera for one more connection. Its argument: seconds since the first one began."""


class PersistentLearner:
    """Goes on with its FocusSession over as many connections as it takes. Call `run` once, then read `newest`."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        token: str,
        make_track: MakeTrack,
        *,
        on_update: Callable[[Update], None] = lambda _update: None,
    ) -> None:
        self._http, self._url, self._token = http, url, token
        self._make_track, self._on_update = make_track, on_update
        self._earlier_frames = 0
        self.newest = self._connection(None, 0.0)
        """The last connection."""

    @property
    def frames_sent(self) -> int:
        return self._earlier_frames + self.newest.track.frames_sent

    async def run(self, interrupted: asyncio.Event, gate: asyncio.Semaphore) -> None:
        """As `PublishedLearner.run`. An error is in `newest.failure`."""
        loop = asyncio.get_running_loop()
        began = lost_at = loop.time()
        focus_session_id = None
        while True:
            await self.newest.run(interrupted, gate)
            if self.newest.updates:
                focus_session_id, lost_at = self.newest.focus_session_id, loop.time()
            refused = focus_session_id is not None and self.newest.failure is not None and not self.newest.end_reason
            in_vain = loop.time() - lost_at > GIVE_UP_AFTER_S
            if in_vain or interrupted.is_set() or not (self.newest.lost or refused):
                return
            await asyncio.sleep(random.uniform(*RETRY_AFTER_S))  # noqa: S311 - for the spread
            self._earlier_frames += self.newest.track.frames_sent
            self.newest = self._connection(focus_session_id, loop.time() - began)

    def _connection(self, continues: str | None, passed_s: float) -> PublishedLearner:
        return PublishedLearner(
            self._http,
            self._url,
            self._token,
            self._make_track(passed_s),
            on_update=self._on_update,
            continues=continues,
            silence_s=SILENCE_S,
        )
