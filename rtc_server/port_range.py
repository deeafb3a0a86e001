"""A range of UDP ports, as settings and options write it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PortRange:
    """Both ends are included; written `first-last`."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    @classmethod
    def parse(cls, text: str) -> "PortRange":
        """Raises ValueError."""
        first, _, last = (part.strip() for part in text.partition("-"))
        if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) <= 65535):
            raise ValueError("write first-last, as in 40000-40100")
        return cls(int(first), int(last))
