"""The result of publishing a clip as one learner."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from rtc_server.publisher.published_learner import PublishedLearner


@dataclass(frozen=True, slots=True)
class LearnerSummary:
    user_id: int | None
    """None if only the token says it."""
    frames_sent: int
    updates_received: int
    latency_p50_ms: float | None
    """Time from sending a frame's last packet to the arrival of its update; None without an update."""
    latency_p95_ms: float | None
    focus_session_id: str | None
    end_reason: str | None
    """From the server's `tracking_stopped`. None if none came; then the metrics are the last ones seen."""
    metrics: dict[str, Any] | None
    error: str | None
    failed: bool
    """True if the session ended too early or never began."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def as_line(self) -> str:
        if self.metrics is None:
            return f"{self._name()}: {self.error or 'no update came'}"
        latency = ""
        if self.latency_p50_ms is not None:
            latency = f", p50 {self.latency_p50_ms:.1f} ms, p95 {self.latency_p95_ms:.1f} ms"
        metrics = self.metrics
        return (
            f"{self._name()}: {self.frames_sent} frames sent, {self.updates_received} updates{latency}; "
            f"focused {metrics['focused_time']:.1f} s + unfocused {metrics['unfocused_time']:.1f} s "
            f"= {metrics['total_time']:.1f} s, unknown {metrics['unknown_time']:.1f} s, "
            f"{metrics['focus_percentage']:.1f} % focused" + (f" ({self.error})" if self.error else "")
        )

    def _name(self) -> str:
        return "Learner" if self.user_id is None else f"Learner {self.user_id}"


def summary_of(learner: PublishedLearner, user_id: int | None) -> LearnerSummary:
    return LearnerSummary(
        user_id=user_id,
        frames_sent=learner.track.frames_sent,
        updates_received=learner.updates,
        latency_p50_ms=percentile(learner.latencies_ms, 50),
        latency_p95_ms=percentile(learner.latencies_ms, 95),
        focus_session_id=learner.focus_session_id,
        end_reason=learner.end_reason,
        metrics=learner.metrics,
        error=learner.failure or learner.complaint,
        failed=learner.failure is not None,
    )


def percentile(values: Sequence[float], percent: float) -> float | None:
    """By the nearest rank, so it is one of the values; None if there are none."""
    if not values:
        return None
    return round(sorted(values)[max(1, ceil(len(values) * percent / 100)) - 1], 2)
