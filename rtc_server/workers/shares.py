"""What of a host's ports belongs to which worker."""

from rtc_server.errors import SettingsError
from rtc_server.port_range import PortRange

PORTS_FOR_A_PEER = 2
"""A socket for each of the host's addresses: usually one of IPv4 and one of IPv6."""


def udp_ports(ports: PortRange, workers: int, index: int, peers: int) -> PortRange:
    """The slice of one worker: equal parts, no port in two of them. Raises SettingsError.

    index: from 0. peers: at most, of one worker.
    """
    each = (ports.last - ports.first + 1) // workers
    needed = PORTS_FOR_A_PEER * peers
    if each < needed:
        raise SettingsError(
            f"RTC_UDP_PORTS={ports} has {each} ports for each of {workers} workers, and {peers} peers need about "
            f"{needed}: widen it to {workers * needed} ports, or lower RTC_MAX_SESSIONS"
        )
    first = ports.first + index * each
    return PortRange(first, first + each - 1)


def port_of(port: int, index: int) -> int:
    """One after the other from the port that is set; 0 stays 0: each takes a free one."""
    return port + index if port else 0
