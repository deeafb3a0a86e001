"""What one invocation of the benchmarks was asked for."""

import sys
from dataclasses import dataclass

from rtc_server.publisher.encoded_clip import EncodedClip


@dataclass(frozen=True, slots=True)
class Run:
    clip: EncodedClip
    clip_name: str
    runs: int
    """How often each thing is measured; the median counts."""
    seconds: float
    """How long each measurement lasts."""
    memory_minutes: float

    def say(self, text: str) -> None:
        """How it goes, for whoever waits."""
        print(f"bench: {text}", file=sys.stderr, flush=True)
