"""All that touches aiortc's and aioice's private parts, each with a test that fails when upstream changes.

`Connection` is what the rest of the server sees: one RTCPeerConnection whose media never passes through
aiortc's own receive path. What that path, or another part, would do to us is told where it is prevented.
"""

from rtc_server.transport.connection import Connection, ConnectionEvents, Relay
from rtc_server.transport.data_path import ChannelSender

__all__ = ["ChannelSender", "Connection", "ConnectionEvents", "Relay"]
