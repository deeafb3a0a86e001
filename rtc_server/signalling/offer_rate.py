"""How often one address may offer: token buckets, in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable

from rtc_server.errors import RateLimited

TRICKLE_COST = 0.1
"""What a PATCH costs, as a share of an offer: it allocates nothing, yet may not come without end."""
MAX_ADDRESSES = 10_000


class OfferRate:
    """Lets each address make `per_minute` offers in a burst, and as many each minute after it."""

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
