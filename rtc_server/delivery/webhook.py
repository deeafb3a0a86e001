"""Webhooks, signed as Standard Webhooks say (https://www.standardwebhooks.com)."""

import binascii
import json
from datetime import UTC, datetime
from http import HTTPStatus

from standardwebhooks.webhooks import Webhook

from rtc_server.delivery.receiver import NoAnswer, NotSent, Receiver
from rtc_server.delivery.sink import DELIVERED, Fate, Outcome
from rtc_server.errors import SettingsError
from rtc_server.event import Event

MIN_SECRET_BYTES = 24
"""As Standard Webhooks ask."""
_PREFIX = "whsec_"


class WebhookSink:
    """The receiver may get an event twice, with the same `webhook-id`."""

    def __init__(self, receiver: Receiver, secret: str) -> None:
        """secret: base64, with or without the prefix `whsec_`. Raises SettingsError."""
        self._receiver = receiver
        self._signer = _signer(secret)

    async def send(self, event: Event) -> Outcome:
        body = body_of(event)
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event.event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(event.event_id, now, body),
        }
        try:
            answer = await self._receiver.post(body.encode(), headers)
        except (NotSent, NoAnswer) as error:
            return Outcome(Fate.AGAIN, str(error))
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return DELIVERED
        if answer.status == HTTPStatus.GONE:
            return Outcome(Fate.DEAD, "HTTP 410: the receiver wants no more")
        return Outcome(Fate.AGAIN, f"HTTP {answer.status}", answer.retry_after_s)


def body_of(event: Event) -> str:
    told = {"type": event.type.value, "timestamp": event.occurred_at.isoformat(), "data": event.data}
    return json.dumps(told, separators=(",", ":"))


def _signer(secret: str) -> Webhook:
    try:
        key = binascii.a2b_base64(secret.strip().removeprefix(_PREFIX), strict_mode=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < MIN_SECRET_BYTES:
        raise SettingsError(
            f"RTC_WEBHOOK_SECRET must be {MIN_SECRET_BYTES} bytes or more in base64; "
            '`echo "whsec_$(openssl rand -base64 32)"` makes one.'
        )
    return Webhook(key)
