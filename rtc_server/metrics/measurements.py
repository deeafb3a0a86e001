"""Every metric: its name, what it means, and where its number is read. All of them are read when somebody asks.

No label holds anything about a person or a client, and each has a fixed set of values.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from rtc_server import __version__
from rtc_server.analysis.frame_counts import FrameCounts
from rtc_server.analysis.session_states import PeerState
from rtc_server.delivery.counts import DeliveryCounts
from rtc_server.media.look_counts import LookCounts
from rtc_server.peer.counts import PeerCounts
from rtc_server.peer.registry import PeerRegistry
from rtc_server.store.writer import FocusWriter
from rtc_server.tally import Histogram
from rtc_server.web.elsewhere import OnlyHere, Relay
from rtc_server.web.ice_servers import IceServers
from rtc_server.web.signalling import Signalling


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one server that keep counts."""

    registry: PeerRegistry
    peers: PeerCounts
    frames: FrameCounts
    looks: LookCounts
    turns_waiting: Callable[[], int]
    signalling: Signalling
    elsewhere: OnlyHere | Relay
    directory_away: Callable[[], bool]
    stress: Callable[[], float]
    ice_servers: IceServers
    writer: FocusWriter
    delivery: DeliveryCounts
    ready: Callable[[], bool]
    is_relay: Callable[[str], bool]
    """Whether a host is the TURN relay."""


class Kind(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


Number = int | float
Reading = Number | Mapping[str, Number] | Histogram


@dataclass(frozen=True, slots=True)
class Measurement:
    name: str
    """Without the prefix of all, and without a counter's `_total`."""
    kind: Kind
    meaning: str
    read: Callable[[Parts], Reading]
    """A number; or one for each value of the label."""
    label: str | None = None

    @property
    def exposed_name(self) -> str:
        return f"rtc_server_{self.name}{'_total' if self.kind is Kind.COUNTER else ''}"


def _peers_by_state(parts: Parts) -> dict[str, Number]:
    counts: dict[str, Number] = {state.name.lower(): 0 for state in PeerState}
    for peer in parts.registry.peers:
        counts[peer.state.name.lower()] += 1
    return counts


def _peers_relayed(parts: Parts) -> int:
    hosts = [peer.remote_host for peer in parts.registry.peers if peer.state is PeerState.CONNECTED]
    return sum(host is not None and parts.is_relay(host) for host in hosts)


def _frames_dropped(parts: Parts) -> dict[str, int]:
    return {"incomplete": parts.peers.packets.frames_given_up} | parts.frames.dropped.read()


COUNTER, GAUGE, HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

MEASUREMENTS = (
    # The server
    Measurement("info", GAUGE, "Always 1; the label has the version.", lambda parts: {__version__: 1}, "version"),
    Measurement("ready", GAUGE, "1 while the server takes new learners (as /readyz).", lambda parts: parts.ready()),
    Measurement(
        "stress",
        GAUGE,
        "How much of this server is in use, from 0 to 1: of its places, its analysis threads, or its event loop.",
        lambda parts: parts.stress(),
    ),
    Measurement(
        "tasks",
        GAUGE,
        "Tasks on the event loop: so many for each learner, and a few of the server's own.",
        lambda _: len(asyncio.all_tasks()),
    ),
    Measurement(
        "fleet_directory_away",
        GAUGE,
        "1 while Redis does not answer: newcomers stay where they arrive (RTC_REDIS_URL).",
        lambda parts: parts.directory_away(),
    ),
    # Learners
    Measurement("peers", GAUGE, "Live connections of learners.", _peers_by_state, "state"),
    Measurement("peers_limit", GAUGE, "Most of them at once (RTC_MAX_SESSIONS).", lambda p: p.registry.max_peers),
    Measurement(
        "peers_relayed",
        GAUGE,
        "Connected learners whose media comes from the address of the TURN relay.",
        _peers_relayed,
    ),
    Measurement(
        "turn_credentials",
        COUNTER,
        "Credentials for the TURN relay that learners were given.",
        lambda parts: parts.ice_servers.credentials_given,
    ),
    Measurement(
        "offers",
        COUNTER,
        "Offers, by what came of them: `answered`, or the code of the error.",
        lambda parts: parts.signalling.offers.read(),
        "outcome",
    ),
    Measurement(
        "offers_relayed",
        COUNTER,
        "Offers that another server of the fleet was asked to answer: `taken`, `refused` or `unreachable`.",
        lambda parts: parts.elsewhere.offers.read(),
        "outcome",
    ),
    Measurement(
        "connections_failed",
        COUNTER,
        "Answered offers that led to no connection: nothing came through, or the DTLS handshake failed.",
        lambda parts: parts.peers.connections_failed.read(),
        "cause",
    ),
    Measurement("sessions_started", COUNTER, "Sessions that began.", lambda parts: parts.peers.sessions.started),
    Measurement(
        "sessions_resumed",
        COUNTER,
        "Sessions that went on with another connection.",
        lambda parts: parts.peers.sessions.resumed,
    ),
    Measurement(
        "sessions_ended",
        COUNTER,
        "Sessions that ended, by the reason. `moved`: another server has gone on with it.",
        lambda parts: parts.peers.sessions.ended_for.read(),
        "reason",
    ),
    Measurement(
        "sessions_waiting",
        GAUGE,
        "Sessions whose connection was lost and that may still go on.",
        lambda parts: parts.registry.sessions_waiting,
    ),
    Measurement(
        "measured_seconds",
        COUNTER,
        "Seconds that were measured here, by state, in sessions that have ended or gone on at another server.",
        lambda parts: parts.peers.sessions.measured.read(),
        "state",
    ),
    # Packets
    Measurement("packets_received", COUNTER, "Media packets.", lambda parts: parts.peers.packets.received),
    Measurement(
        "packets_missing",
        COUNTER,
        "Packets that were not there when a later one came.",
        lambda parts: parts.peers.packets.missing,
    ),
    Measurement(
        "packets_repaired",
        COUNTER,
        "Missing packets that came after they were asked for again.",
        lambda parts: parts.peers.packets.repaired,
    ),
    Measurement(
        "packets_late", COUNTER, "Missing packets that came by themselves.", lambda parts: parts.peers.packets.late
    ),
    Measurement(
        "packets_refused",
        COUNTER,
        "Packets past the limits of their sender (RTC_MAX_BITRATE, RTC_MAX_PACKETS_PER_SECOND).",
        lambda parts: parts.registry.refused_packets,
    ),
    Measurement(
        "keyframes_requested",
        COUNTER,
        "Requests for a keyframe.",
        lambda parts: parts.peers.packets.keyframes_requested,
    ),
    # Frames
    Measurement("frames_received", COUNTER, "Whole frames.", lambda parts: parts.frames.received),
    Measurement("frames_analysed", COUNTER, "Frames that were looked at.", lambda parts: parts.looks.analysis_s.count),
    Measurement(
        "frames_skipped",
        COUNTER,
        "Frames that needed no look: still, older than the newest, not to be shown, or of a layer to be left out.",
        lambda parts: parts.looks.skipped.read(),
        "reason",
    ),
    Measurement(
        "frames_dropped",
        COUNTER,
        "Frames that were lost. `incomplete` ones never arrived whole, and are not among those received.",
        _frames_dropped,
        "reason",
    ),
    Measurement("decode_seconds", HISTOGRAM, "Time to decode a frame.", lambda parts: parts.looks.decode_s),
    Measurement("analysis_seconds", HISTOGRAM, "Time to look at a picture.", lambda parts: parts.looks.analysis_s),
    Measurement(
        "analysis_queue", GAUGE, "Learners whose frames wait for a processor.", lambda parts: parts.turns_waiting()
    ),
    Measurement(
        "update_age_seconds",
        HISTOGRAM,
        "Time from the arrival of a frame to the update that it led to.",
        lambda parts: parts.peers.update_age_s,
    ),
    # Rows
    Measurement(
        "database_write_seconds",
        HISTOGRAM,
        "Time of each transaction that stores sessions, whether it succeeded or not.",
        lambda parts: parts.writer.counts.write_s,
    ),
    Measurement(
        "database_writes_failed",
        COUNTER,
        "Transactions that failed. What they held is written later.",
        lambda parts: parts.writer.counts.writes_failed,
    ),
    Measurement(
        "database_away", GAUGE, "1 while the database does not answer.", lambda parts: parts.writer.database_is_away
    ),
    Measurement(
        "sessions_unsaved",
        GAUGE,
        "Sessions with something that is not stored yet. Most live ones have, for a part of a second.",
        lambda parts: parts.writer.waiting,
    ),
    Measurement("spool_sessions", GAUGE, "Sessions that wait in the spool.", lambda parts: parts.writer.spooled),
    Measurement("spool_fails", GAUGE, "1 while the spool cannot be written.", lambda parts: parts.writer.spool_fails),
    Measurement(
        "sessions_lost",
        COUNTER,
        "Ended sessions that were dropped because too many waited for the database.",
        lambda parts: parts.writer.counts.sessions_lost,
    ),
    # Other systems
    Measurement(
        "outbox_waiting",
        GAUGE,
        "Events in the database that are still to be sent, of all servers together.",
        lambda parts: parts.delivery.waiting,
        "sink",
    ),
    Measurement(
        "outbox_dead",
        GAUGE,
        "Events in the database that are not sent any more (`rtc-server outbox`), of all servers together.",
        lambda parts: parts.delivery.dead,
        "sink",
    ),
    Measurement(
        "events_delivered",
        COUNTER,
        "Events that were sent and accepted.",
        lambda parts: parts.delivery.delivered.read(),
        "sink",
    ),
    Measurement(
        "deliveries_failed",
        COUNTER,
        "Attempts to send an event that failed. Most are repeated.",
        lambda parts: parts.delivery.failed.read(),
        "sink",
    ),
    Measurement(
        "delivery_seconds",
        HISTOGRAM,
        "Time of each attempt to send an event, whether it succeeded or not.",
        lambda parts: parts.delivery.send_s,
    ),
)
