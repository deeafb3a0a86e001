"""How often something may happen: so many times at once, and so many a second after that. Pure."""


class TokenBucket:
    """Times are of one monotonic clock, which began at 0 or later."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at = 0.0

    def take(self, now: float, amount: float = 1.0) -> bool:
        """True where so many more may happen now; nothing is taken where they may not."""
        left = self._left + (now - self._at) * self._per_s
        if left > self._burst:
            left = self._burst
        self._at = now
        if left < amount:
            self._left = left
            return False
        self._left = left - amount
        return True

    def wait_s(self, amount: float = 1.0) -> float:
        """Seconds from the last call of `take` until so many more may happen."""
        return max(0.0, (amount - self._left) / self._per_s)

    def owe(self, now: float) -> float:
        """Takes one in any case; returns how many seconds it has to wait."""
        if not self.take(now):
            self._left -= 1.0
        return -self._left / self._per_s if self._left < 0 else 0.0
