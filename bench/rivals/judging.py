"""What every rival does with a picture: the stock FaceMesh, one for each learner, and an answer."""

import time
from datetime import UTC, datetime
from typing import Any

from mediapipe.python.solutions.face_mesh import FaceMesh
from numpy.typing import NDArray


class Judge:
    """One learner's. The rule itself costs nothing that could be measured, so a face is focus here."""

    def __init__(self) -> None:
        self._mesh = FaceMesh(refine_landmarks=True)
        self._started = time.monotonic()
        self._focused_s = 0.0

    def update(self, rgb: "NDArray[Any]") -> dict[str, Any]:
        found = self._mesh.process(rgb).multi_face_landmarks is not None
        total_s = time.monotonic() - self._started
        self._focused_s = total_s if found else self._focused_s
        return {
            "type": "tracking_update",
            "is_focused": found,
            "gaze_direction": "centered" if found else "no_face",
            "state": "focused" if found else "unfocused",
            "reason": "on_screen" if found else "no_face",
            "metrics": {
                "focused_time": round(self._focused_s, 1),
                "unfocused_time": round(total_s - self._focused_s, 1),
                "unknown_time": 0.0,
                "total_time": round(total_s, 1),
                "focus_percentage": 100.0,
                "focus_sessions": 1,
                "unfocus_sessions": 0,
                "current_state": "focused" if found else "unfocused",
            },
            "timestamp": datetime.now(UTC).isoformat(),
        }
