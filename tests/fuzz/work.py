"""How much work something makes, counted so that it is the same on each machine and in each run."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

DATAGRAM = 2500
"""Bytecodes that take as long as one more datagram: a checksum, encryption and a system call."""


@dataclass
class Work:
    bytecodes: int = 0
    datagrams: int = 0

    @property
    def total(self) -> int:
        """In bytecodes, of which a core runs 30 million a second."""
        return self.bytecodes + DATAGRAM * self.datagrams

    def sent(self, *_: object) -> None:
        """For whatever stands in for a socket."""
        self.datagrams += 1


@contextmanager
def counted(work: Work) -> Iterator[None]:
    """Adds the bytecodes that run inside. What C functions do is not seen, only what they call back."""

    def enter(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return count

    def count(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        if event == "opcode":
            work.bytecodes += 1
        return count

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)
