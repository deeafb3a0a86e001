"""Limits on reads: who may read, how often, how many at once, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from rtc_server.errors import RateLimited, StoreUnavailable
from rtc_server.learner import Grant
from rtc_server.web.access.auth import TokenVerifier
from rtc_server.web.access.request_rate import RequestRate

READ_WITHIN_S = 10.0
"""A read that takes longer is given up. An indexed read of one page takes milliseconds."""
RUNNING_READS = 2
"""Of one learner. While the database is slow, one learner must not hold all of the reader's connections."""
ADMITTED_READS = 8
"""Of one learner, running or waiting for their turn: more than a browser sends at once over HTTP/1.1 (six)."""
BUSY_RETRY_AFTER_S = 1.0


class ReadAccess:
    """Use `admitted` around the whole of a read."""

    def __init__(self, tokens: TokenVerifier, rate: RequestRate, *, within_s: float = READ_WITHIN_S) -> None:
        """rate: by user id. within_s: how long one read may take, its wait included."""
        self._tokens = tokens
        self._rate = rate
        self._within_s = within_s
        self._learners: dict[int, _Reads] = {}
        """By user id: those who have a read here now."""

    @asynccontextmanager
    async def admitted(self, request: web.Request) -> AsyncIterator[Grant]:
        """Gives what the token allows, and ends what is done inside once it takes too long.

        Raises RateLimited, StoreUnavailable (out of time), and what TokenVerifier.grant raises.
        """
        grant = await self._tokens.grant(request.headers.get("Authorization"))
        user_id = grant.learner.user_id
        self._rate.spend(user_id)
        reads = self._learners.setdefault(user_id, _Reads())
        if reads.admitted >= ADMITTED_READS:
            raise RateLimited(f"This learner already has {ADMITTED_READS} reads running.", BUSY_RETRY_AFTER_S)
        reads.admitted += 1
        try:
            async with asyncio.timeout(self._within_s), reads.turns:
                yield grant
        except TimeoutError:
            raise StoreUnavailable("The database did not answer in time. Try again later.") from None
        finally:
            reads.admitted -= 1
            if not reads.admitted:
                del self._learners[user_id]


@dataclass(slots=True)
class _Reads:
    """Of one learner."""

    admitted: int = 0
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RUNNING_READS))
