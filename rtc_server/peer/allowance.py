"""How often something may happen: so many times at once, and so many a second after that (a token bucket). Pure."""


class Allowance:
    """Times are of one monotonic clock."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at: float | None = None

    def take(self, now: float, amount: float = 1.0) -> bool:
        """True where so many more may happen now; nothing is taken where they may not."""
        self._grow(now)
        if self._left < amount:
            return False
        self._left -= amount
        return True

    def owe(self, now: float) -> float:
        """Takes one in any case; returns how many seconds it has to wait."""
        self._grow(now)
        self._left -= 1.0
        return max(0.0, -self._left / self._per_s)

    def _grow(self, now: float) -> None:
        if self._at is not None:
            self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
