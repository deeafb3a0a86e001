"""How often one address may offer, and how often fail to show a token: token buckets, in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from rtc_server.errors import RateLimited, TokenExpired, TokenInvalid, TokenMissing
from rtc_server.signalling.client_address import ClientAddresses

TRICKLE_COST = 0.1
"""What a PATCH costs, as a share of an offer: it allocates nothing, yet may not come without end."""
MAX_ADDRESSES = 10_000


class AddressRate:
    """Lets each address do something `per_minute` times in a burst, and as many times each minute after it."""

    def __init__(
        self, per_minute: int, *, max_addresses: int = MAX_ADDRESSES, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._max_addresses = max_addresses
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What is left, and when that was true; the longest unused address first."""

    def spend(self, address: str, cost: float = 1.0) -> None:
        """Raises RateLimited where too little is left; nothing is taken then."""
        now = self._now()
        left, then = self._buckets.pop(address, (self._capacity, now))
        left = min(self._capacity, left + (now - then) * self._per_second)
        allowed = left >= cost
        self._buckets[address] = (left - cost if allowed else left, now)
        if len(self._buckets) > self._max_addresses:
            self._buckets.popitem(last=False)
        if not allowed:
            raise RateLimited("Too many requests from this address.", (cost - left) / self._per_second)


def stranger_rate_middleware(addresses: ClientAddresses, rate: AddressRate) -> Middleware:
    """Answers requests without a good token with 429 where their address makes too many. The innermost middleware.

    Whoever has a good token is not kept waiting: learners behind the same address are nobody's to lock out.
    """

    @web.middleware
    async def stranger_rate(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (TokenMissing, TokenInvalid, TokenExpired):
            rate.spend(addresses.of(request))
            raise

    return stranger_rate
