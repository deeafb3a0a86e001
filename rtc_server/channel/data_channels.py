"""The client's data channels: `focus` for updates that may be lost, `control` for what may not.

A slow reader never makes a queue grow: an update that cannot leave at once is not sent, since a newer one
follows; what is reliable is little, and a client that does not read that either is given up.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from aiortc import RTCDataChannel
from aiortc.exceptions import InvalidStateError
from pydantic import ValidationError

from rtc_server.channel.messages import (
    CLIENT_MESSAGE,
    MAX_MESSAGE_BYTES,
    ClientMessage,
    ErrorMessage,
    Message,
)
from rtc_server.token_bucket import TokenBucket
from rtc_server.transport import ChannelSender

MAX_BUFFERED_BYTES = 64 * 1024
"""Of reliable messages that a client does not fetch."""
MESSAGES_PER_S = 5.0
"""A page sends one for each click, and one a second while it calibrates."""
BURST_S = 4.0
"""Client messages at once, as seconds at the full rate; past that they are refused, past twice that the peer ends."""

logger = logging.getLogger(__name__)


class MetricsChannel:
    """Both channels of one peer."""

    def __init__(
        self,
        on_message: Callable[[ClientMessage], None],
        on_flood: Callable[[], None],
        now: Callable[[], float],
        messages_per_s: float = MESSAGES_PER_S,
    ) -> None:
        """`on_flood` is called for a client that sends too much, or reads too little."""
        self._on_message = on_message
        self._on_flood = on_flood
        self._now = now
        self._focus: RTCDataChannel | None = None
        self._updates: ChannelSender | None = None
        self._control: RTCDataChannel | None = None
        burst = max(1.0, BURST_S * messages_per_s)
        self._messages = TokenBucket(messages_per_s, burst)
        self._one_message_s = 1 / messages_per_s
        self._flood_s = burst / messages_per_s

    def add(self, channel: RTCDataChannel) -> None:
        """Take a channel that the client made; one that is none of ours is closed."""
        if channel.label == "focus" and self._focus is None:
            self._focus = channel
            self._updates = ChannelSender(channel)
        elif channel.label == "control" and self._control is None:
            self._control = channel
        else:
            channel.close()
            return
        channel.on("message", self._received)

    def update(self, text: str) -> None:
        """Send on `focus`, unless an earlier one is still waiting."""
        if self._updates is not None and self._focus is not None and self._focus.readyState == "open":
            try:
                self._updates.send_now(text)
            except ConnectionError:
                logger.debug("an update was not sent", exc_info=True)

    def tell(self, message: Message) -> None:
        """Send on `control` where the client opened it, else on `focus`."""
        channel = self._control if self._control is not None else self._focus
        if channel is None or channel.readyState != "open":
            return
        if channel.bufferedAmount > MAX_BUFFERED_BYTES:
            self._on_flood()
            return
        _send(channel, message.model_dump_json())

    @property
    def is_open(self) -> bool:
        return self._control is not None or self._focus is not None

    @property
    def has_control(self) -> bool:
        return self._control is not None

    def _received(self, data: str | bytes) -> None:
        too_early_s = self._messages.owe(self._now())
        if too_early_s > self._flood_s:
            self._on_flood()
        elif too_early_s > 0:
            if too_early_s <= self._one_message_s:
                self._refuse("rate_limited", "Too many messages; they are not heard until you send fewer.")
        else:
            self._read(data)

    def _read(self, data: str | bytes) -> None:
        if len(data) > MAX_MESSAGE_BYTES:
            self._refuse("too_large", f"A message is longer than {MAX_MESSAGE_BYTES} bytes.")
            return
        try:
            message = CLIENT_MESSAGE.validate_json(data)
        except ValidationError:
            self._refuse("malformed", "A message is not JSON of a type, and with values, that this server knows.")
            return
        self._on_message(message)

    def _refuse(self, code: str, message: str) -> None:
        self.tell(ErrorMessage(code=code, message=message, timestamp=datetime.now(UTC)))


def _send(channel: RTCDataChannel, text: str) -> None:
    try:
        channel.send(text)
    except (InvalidStateError, ValueError):
        # It closed in between, or the client takes only shorter messages.
        logger.debug("a message was not sent", exc_info=True)
