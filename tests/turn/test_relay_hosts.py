"""Which addresses are the relay's."""

import asyncio

from rtc_server.relay.hosts import RelayHosts


async def test_a_host_is_the_relay_under_each_of_its_addresses() -> None:
    hosts = RelayHosts(["turn:localhost:3478?transport=udp", "turns:[::1]:5349", "turn:192.0.2.7"])
    assert "127.0.0.1" not in hosts, "it was not looked up yet"
    await hosts.look_up()
    assert all(host in hosts for host in ("127.0.0.1", "::1", "192.0.2.7"))
    assert "192.0.2.8" not in hosts


async def test_a_name_that_is_unknown_now_hides_no_other() -> None:
    hosts = RelayHosts(["turn:relay.invalid:3478", "turn:192.0.2.7:3478"])
    await hosts.look_up()
    assert "192.0.2.7" in hosts


async def test_without_a_relay_nothing_is_looked_up() -> None:
    async with asyncio.timeout(5):
        await RelayHosts([]).keep_looking_up()
