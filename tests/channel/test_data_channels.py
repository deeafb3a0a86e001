"""How much a client may say on its data channels, in virtual time."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from rtc_server.channel.data_channels import BURST_S, MetricsChannel
from rtc_server.channel.messages import ClientMessage


class Client:
    """Says `pause`, and keeps what it is told."""

    label, readyState, bufferedAmount = "control", "open", 0  # noqa: N815

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self._listener: Callable[[str], None]

    def on(self, event: str, listener: Callable[[str], None]) -> None:
        self._listener = listener

    def send(self, text: str) -> None:
        self.told.append(json.loads(text))

    def say(self, times: int) -> None:
        for _ in range(times):
            self._listener('{"type": "pause"}')


@pytest.mark.parametrize("per_s", [5.0, 0.5, 20.0])
def test_past_the_rate_messages_are_refused_once_and_then_the_peer_ends(per_s: float) -> None:
    heard: list[ClientMessage] = []
    floods: list[None] = []
    clock = SimpleNamespace(now=0.0)
    client = Client()
    channel: Any = MetricsChannel(heard.append, lambda: floods.append(None), lambda: clock.now, per_s)
    channel.add(client)
    burst = round(BURST_S * per_s)

    client.say(burst)
    clock.now += 1 / per_s
    client.say(1)
    assert (len(heard), client.told) == (burst + 1, [])

    client.say(burst)
    assert len(heard) == burst + 1
    assert [message["code"] for message in client.told] == ["rate_limited"]
    assert floods == []

    client.say(1)
    assert floods == [None]


def test_who_waits_is_heard_again() -> None:
    heard: list[ClientMessage] = []
    clock = SimpleNamespace(now=0.0)
    client = Client()
    channel: Any = MetricsChannel(heard.append, lambda: pytest.fail("no flood"), lambda: clock.now, 5.0)
    channel.add(client)
    client.say(25)
    clock.now += 2.0
    client.say(1)
    assert len(heard) == 21
