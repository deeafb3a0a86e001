"""How noisy a measurement is just now, from how much it differs between neighbouring frames."""

from dataclasses import dataclass

NOISE_MEMORY_S = 2.0
"""Deep-set eyes, a smeared picture or a lamp's reflection come and go within seconds."""
OUTLIER = 4.0
"""A difference counts for so many times the usual one at most: a saccade or a blink is no noise."""
_DEVIATION = 0.886
"""Standard deviation of normal noise over the mean difference of two samples of it: half the root of pi."""


@dataclass(slots=True)
class Jitter:
    """Of one angle."""

    usual_deg: float
    """Standard deviation of a well seen one, in degrees: less is not believed."""
    _difference_deg: float = 0.0
    _last_deg: float | None = None

    def __post_init__(self) -> None:
        self._difference_deg = self.usual_deg / _DEVIATION

    def observe(self, angle_deg: float, seconds: float) -> None:
        """The angle in the next frame, `seconds` after the last one."""
        if self._last_deg is not None:
            difference = min(abs(angle_deg - self._last_deg), OUTLIER * self._difference_deg)
            self._difference_deg += (difference - self._difference_deg) * min(1.0, seconds / NOISE_MEMORY_S)
        self._last_deg = angle_deg

    @property
    def deviation_deg(self) -> float:
        """Standard deviation, in degrees."""
        return max(self.usual_deg, _DEVIATION * self._difference_deg)
