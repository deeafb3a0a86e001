"""How often a learner may ask, and how often an address may: token buckets, in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from rtc_server.errors import RateLimited, TokenInvalid, TokenMissing
from rtc_server.token_bucket import TokenBucket
from rtc_server.web.access.client_address import ClientAddresses

TRICKLE_COST = 0.1
"""What a PATCH costs, as a share of an offer: it allocates nothing, yet it may not come without end."""
MAX_KEYS = 10_000
"""About 2 MB. Past that the longest unused bucket is forgotten, which had time to fill up again."""


class RequestRate:
    """One bucket for each key: `per_minute` requests at once, and as many in each minute after that."""

    def __init__(
        self, per_minute: int, whose: str, *, max_keys: int = MAX_KEYS, now: Callable[[], float] = time.monotonic
    ) -> None:
        """whose: completes "Too many requests …" in the error, such as "from this address"."""
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._refusal = f"Too many requests {whose}."
        self._max_keys = max_keys
        self._now = now
        self._buckets: OrderedDict[str | int, TokenBucket] = OrderedDict()
        """The longest unused key first."""

    @classmethod
    def of_addresses(cls, per_minute: int) -> "RequestRate":
        return cls(per_minute, "from this address")

    @classmethod
    def of_learners(cls, per_minute: int) -> "RequestRate":
        """Keys are user ids: a learner has one bucket in all modules, at all addresses and with all tokens."""
        return cls(per_minute, "from this learner")

    def spend(self, key: str | int, cost: float = 1.0) -> None:
        """Raises RateLimited where too little is left; nothing is taken then."""
        bucket = self._buckets.pop(key, None) or TokenBucket(self._per_second, self._capacity)
        self._buckets[key] = bucket
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        if not bucket.take(self._now(), cost):
            raise RateLimited(self._refusal, bucket.wait_s(cost))


def stranger_rate_middleware(addresses: ClientAddresses, rate: RequestRate) -> Middleware:
    """Answers requests without a good token with 429 where their address makes too many. The innermost middleware.

    A request with a good token is never counted here, so strangers cannot lock out learners at the same address.
    An expired token was signed by the platform once: its bearer is always told to get a new one, and never to wait.
    """

    @web.middleware
    async def stranger_rate(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (TokenMissing, TokenInvalid):
            rate.spend(addresses.of(request))
            raise

    return stranger_rate
