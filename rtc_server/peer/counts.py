"""What has happened to peers since the server began."""

from rtc_server.analysis.session_log import SessionLog
from rtc_server.rtp.packet_counts import PacketCounts
from rtc_server.tally import Histogram, Tally
from rtc_server.transport.handshake import HandshakeFailure

_UPDATE_AGE_BOUNDS_S = (0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0)
"""A server with time to spare answers in 4 ms; learners notice a quarter of a second."""


class PeerCounts:
    """Of all peers. Use it from the event loop."""

    def __init__(self) -> None:
        self.sessions = SessionLog()
        self.packets = PacketCounts()
        self.refused_packets = 0
        """Media past a peer's limits, of peers that have ended."""
        self.update_age_s = Histogram(_UPDATE_AGE_BOUNDS_S)
        """Seconds from a frame's last packet to its update on the data channel."""
        self.connections_failed = Tally(("no_connection", *HandshakeFailure))
        """no_connection: nothing of the client's came through, or it gave up. The others: its DTLS handshake failed."""
