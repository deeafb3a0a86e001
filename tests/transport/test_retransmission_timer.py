"""A timer for each message, of which the event loop hears once."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc import RTCSctpTransport

from rtc_server.transport.retransmission_timer import RetransmissionTimer


class Loop:
    """Virtual time, and the timers that were set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.set = 0
        self.timers: list[SimpleNamespace] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Any) -> SimpleNamespace:
        self.set += 1
        timer = SimpleNamespace(when=when, callback=callback)
        timer.cancel = lambda: self.timers.remove(timer)
        self.timers.append(timer)
        return timer

    def run_until(self, now: float) -> None:
        while due := [timer for timer in self.timers if timer.when <= now]:
            timer = min(due, key=lambda one: one.when)
            self.timers.remove(timer)
            self.now = timer.when
            timer.callback()
        self.now = now


class Association:
    _rto = 1.0
    _association_state = RTCSctpTransport.State.ESTABLISHED

    def __init__(self, loop: Loop) -> None:
        self._t3_handle: Any = None
        self._loop = loop
        self.expired: list[float] = []

    def _t3_expired(self) -> None:
        self._t3_handle = None
        self.expired.append(round(self._loop.now, 3))


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    return loop


@pytest.fixture
def sctp(loop: Loop) -> Any:
    association: Any = Association(loop)
    RetransmissionTimer(association)
    return association


def test_it_expires_when_nothing_is_heard(loop: Loop, sctp: Any) -> None:
    loop.run_until(5.0)
    sctp._t3_start()
    assert sctp._t3_handle is not None
    loop.run_until(5.99)
    assert sctp.expired == []
    loop.run_until(20.0)
    assert sctp.expired == [6.0]
    assert sctp._t3_handle is None


def test_messages_that_are_acknowledged_set_the_loop_s_timer_once_a_second(loop: Loop, sctp: Any) -> None:
    for number in range(15 * 60):
        loop.run_until(number / 15)
        sctp._t3_start()
        loop.run_until(number / 15 + 0.03)
        sctp._t3_cancel()
        assert sctp._t3_handle is None
    loop.run_until(100.0)
    assert sctp.expired == []
    assert loop.set <= 61
    assert not loop.timers


@pytest.mark.parametrize("restart", ["_t3_start", "_t3_restart"])
def test_a_later_message_is_waited_for_as_long_as_the_first(loop: Loop, sctp: Any, restart: str) -> None:
    sctp._t3_start()
    loop.run_until(0.5)
    sctp._t3_cancel()
    loop.run_until(0.9)
    getattr(sctp, restart)()
    loop.run_until(10.0)
    assert sctp.expired == [1.9]


def test_a_shorter_timeout_is_kept(loop: Loop, sctp: Any) -> None:
    sctp._rto = 3.0
    sctp._t3_start()
    sctp._rto = 1.0
    sctp._t3_restart()
    loop.run_until(10.0)
    assert sctp.expired == [1.0]


def test_nothing_is_left_of_an_association_that_ended(loop: Loop, sctp: Any) -> None:
    sctp._t3_start()
    sctp._t3_cancel()
    assert loop.timers
    sctp._association_state = RTCSctpTransport.State.CLOSED
    sctp._t3_cancel()
    assert not loop.timers
