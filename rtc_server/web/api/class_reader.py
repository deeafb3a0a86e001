"""The mailbox of one teacher who looks at a class.

It holds one event for each learner, the newest. Where it would grow too long, its owner gets the whole class instead.
So a reader who is slow, or does not read at all, costs a bounded amount of memory, and the learners nothing.
"""

import asyncio
from contextlib import suppress

MAX_WAITING = 256
"""Events in one mailbox."""


class Reader:
    """One teacher's mailbox. Use it from the event loop."""

    def __init__(self, module_id: int, user_id: int) -> None:
        self.module_id = module_id
        self.user_id = user_id
        self.closed = False
        self.wants_all = True
        """The next thing it gets is the whole class."""
        self._waiting: dict[str, bytes] = {}
        self._something = asyncio.Event()

    def put(self, key: str, event: bytes) -> None:
        """In place of an older one of that key."""
        self._waiting.pop(key, None)
        self._waiting[key] = event
        if len(self._waiting) > MAX_WAITING:
            self._waiting.clear()
            self.wants_all = True
        self._something.set()

    def begin(self, whole: bytes) -> None:
        self._waiting = {"class": whole}
        self.wants_all = False
        self._something.set()

    def close(self) -> None:
        self.closed = True
        self._something.set()

    async def events(self, within_s: float) -> bytes:
        """All that waits; empty where nothing came in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._something.wait()
        self._something.clear()
        waiting, self._waiting = self._waiting, {}
        return b"".join(waiting.values())
