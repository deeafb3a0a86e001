"""What belongs to which worker of a host."""

import pytest

from rtc_server.errors import SettingsError
from rtc_server.port_range import PortRange
from rtc_server.workers.shares import port_of, udp_ports


def test_no_udp_port_belongs_to_two_workers() -> None:
    slices = [udp_ports(PortRange(40000, 40130), 4, index, peers=16) for index in range(4)]
    ports = [port for one in slices for port in range(one.first, one.last + 1)]
    assert len(ports) == len(set(ports)) == 128
    assert {one.last - one.first + 1 for one in slices} == {32}
    assert all(40000 <= port <= 40130 for port in ports)


def test_too_few_ports_for_all_are_refused_with_what_to_do() -> None:
    with pytest.raises(SettingsError, match="widen it to 128 ports"):
        udp_ports(PortRange(40000, 40100), 4, 0, peers=16)


def test_other_ports_follow_each_other() -> None:
    assert [port_of(9301, index) for index in range(3)] == [9301, 9302, 9303]
    assert port_of(0, 2) == 0
