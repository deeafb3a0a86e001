"""RTP's 16-bit sequence numbers, extended so that they do not wrap around. Pure."""

MAX_JUMP = 1024
"""A number farther away than this starts another stream, if the next packet's number follows it."""

_CYCLE = 0x10000


class SequenceNumbers:
    def __init__(self) -> None:
        self.highest: int | None = None
        """The highest number so far; None until the first packet. The caller keeps it up to date."""
        self._jumped_to: int | None = None

    def extend(self, sequence: int) -> int | None:
        """The extended number; None if it is MAX_JUMP or more away from the highest one.

        If the next number follows such a one, another stream begins: its numbers are MAX_JUMP or more above all before.
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
