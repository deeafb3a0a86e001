"""SCTP's retransmission timer (T3, RFC 9260, 6.3), set once for many messages."""

import asyncio

from aiortc import RTCSctpTransport


class RetransmissionTimer:
    """Takes the place of an association's `_t3_start`, `_t3_cancel` and `_t3_restart`.

    aiortc starts a timer of the event loop for each message and cancels it at its acknowledgement, long before it is
    due. Here the moment is noted instead, and the loop's timer looks at it when it fires: once a second at most.
    """

    def __init__(self, sctp: RTCSctpTransport) -> None:
        self._sctp = sctp
        self._loop = asyncio.get_running_loop()
        self._due = self._looks_at = 0.0
        self._handle: asyncio.TimerHandle | None = None
        sctp._t3_start = sctp._t3_restart = self.start  # type: ignore[method-assign]
        sctp._t3_cancel = self.cancel  # type: ignore[method-assign]

    def start(self) -> None:
        """From now, whether or not it runs: what is on its way is lost if nothing is heard of it in time."""
        # What is not None says that it runs; aiortc asks nothing else of it.
        self._sctp._t3_handle = self  # type: ignore[assignment]
        self._due = self._loop.time() + self._sctp._rto
        if self._handle is None or self._due < self._looks_at:
            self._look_at_due()

    def cancel(self) -> None:
        """It does not run any more. The loop's timer finds that out by itself, unless this is the end."""
        self._sctp._t3_handle = None
        if self._handle is not None and self._sctp._association_state is RTCSctpTransport.State.CLOSED:
            self._handle.cancel()
            self._handle = None

    def _look_at_due(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._looks_at = self._due
        self._handle = self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        self._handle = None
        if self._sctp._t3_handle is None:
            return
        if self._loop.time() < self._due:
            self._look_at_due()
        else:
            self._sctp._t3_expired()
