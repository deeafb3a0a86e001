import asyncio
from itertools import groupby

import pytest

from bench.bad_network import BadNetwork, Conditions, Fate, first_candidate, with_only_candidate

SDP = "\r\n".join(
    [
        "v=0",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "a=candidate:1 1 udp 2130706431 2001:db8::1 4000 typ host",
        "a=candidate:2 1 udp 2130706431 192.0.2.1 4001 typ host",
        "a=end-of-candidates",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "a=candidate:2 1 udp 2130706431 192.0.2.1 4001 typ host",
        "",
    ]
)


DATAGRAM_S = 0.005
"""From one to the next."""


def lost(conditions: Conditions, count: int = 20_000, seed: int = 1) -> list[bool]:
    fate = Fate(conditions, seed)
    return [fate.delay_s(index * DATAGRAM_S) is None for index in range(count)]


@pytest.mark.parametrize("burst", [1.0, 4.0])
@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05, 0.10])
def test_loses_the_share_that_was_asked_for(loss: float, burst: float) -> None:
    assert sum(lost(Conditions(loss=loss, burst=burst), 60_000)) / 60_000 == pytest.approx(loss, rel=0.2)


def test_bursts_are_as_long_as_asked_for() -> None:
    runs = [len(list(run)) for gone, run in groupby(lost(Conditions(loss=0.05, burst=4), 60_000)) if gone]

    assert sum(runs) / len(runs) == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize("loss", [0.05, 0.10])
def test_an_outage_lasts_its_time_however_much_is_sent(loss: float) -> None:
    gone = lost(Conditions(loss=loss, outage_s=0.1), 200_000)
    runs = [len(list(run)) for lost_here, run in groupby(gone) if lost_here]

    assert sum(gone) / len(gone) == pytest.approx(loss, rel=0.2)
    # An outage shorter than the time between two datagrams may fall between them.
    assert 0.1 <= DATAGRAM_S * sum(runs) / len(runs) <= 0.1 + 2 * DATAGRAM_S


def test_the_same_seed_is_the_same_weather() -> None:
    conditions = Conditions(loss=0.05, delay_s=0.05, jitter_s=0.03, reordered=0.05)

    def weather(seed: int) -> list[float | None]:
        fate = Fate(conditions, seed)
        return [fate.delay_s(index * DATAGRAM_S) for index in range(100)]

    assert weather(3) == weather(3) != weather(4)
    assert all(0.05 <= delay < 0.1 for delay in weather(3) if delay is not None)


def test_the_answer_names_the_relay_alone() -> None:
    assert first_candidate(SDP) == ("192.0.2.1", 4001)

    rewritten = with_only_candidate(SDP, ("192.0.2.1", 5000))

    assert rewritten.count("a=candidate:") == 2
    assert "192.0.2.1 5000 typ host" in rewritten
    assert "4001" not in rewritten
    assert "a=end-of-candidates" in rewritten


def test_an_answer_without_an_address() -> None:
    with pytest.raises(ValueError, match="no IPv4"):
        first_candidate("v=0\r\n")


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        self.transport.sendto(data, sender)


class Heard(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.data: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, _sender: tuple[str, int]) -> None:
        self.data.put_nowait(data)


async def test_relays_both_ways_and_worsens_when_told() -> None:
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    async with BadNetwork(server.get_extra_info("sockname")[:2], seed=1) as network:
        client, heard = await loop.create_datagram_endpoint(Heard, remote_addr=network.address)
        client.sendto(b"kind")
        assert await asyncio.wait_for(heard.data.get(), 2) == b"kind"

        network.worsen(Conditions(delay_s=0.02))
        started = loop.time()
        client.sendto(b"late")
        assert await asyncio.wait_for(heard.data.get(), 2) == b"late"
        assert loop.time() - started >= 0.04
        client.close()
    server.close()
    await asyncio.sleep(0)
