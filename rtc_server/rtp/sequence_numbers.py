"""RTP's 16-bit sequence numbers, extended by their cycles. Pure."""

MAX_JUMP = 1024
"""A sequence number farther off belongs to another stream, if the packet after it agrees."""

_CYCLE = 0x10000


class SequenceNumbers:
    def __init__(self) -> None:
        self.highest: int | None = None
        """The highest one so far, as their reader sets it; None until the first packet."""
        self._jumped_to: int | None = None

    def extend(self, sequence: int) -> int | None:
        """None for one that is far off.

        The second of two in a row that are far off alike begins another stream: MAX_JUMP or more above all before.
        """
        if self.highest is None:
            self.highest = sequence + _CYCLE
            return self.highest
        distance = (sequence - self.highest) % _CYCLE
        if distance >= _CYCLE // 2:
            distance -= _CYCLE
        if -MAX_JUMP < distance < MAX_JUMP:
            return self.highest + distance
        if self._jumped_to != sequence:
            self._jumped_to = (sequence + 1) % _CYCLE
            return None
        self._jumped_to = None
        following = (self.highest | (_CYCLE - 1)) + 1 + sequence
        return following if following - self.highest >= MAX_JUMP else following + _CYCLE
