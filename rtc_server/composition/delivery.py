"""Sending to other systems: a receiver for each address in the settings, and the task that sends to it."""

from contextlib import AsyncExitStack

from rtc_server.delivery.counts import DeliveryCounts
from rtc_server.delivery.delivery import Delivery, OutboxRows
from rtc_server.delivery.legacy import LegacySink
from rtc_server.delivery.receiver import Receiver
from rtc_server.delivery.sink import Sink
from rtc_server.delivery.webhook import WebhookSink
from rtc_server.delivery.xapi import XapiSink
from rtc_server.event import SinkName
from rtc_server.settings import Settings


def open_delivery(settings: Settings, rows: OutboxRows, owned: AsyncExitStack) -> DeliveryCounts:
    """What it opens is closed by `owned`. Raises SettingsError."""
    counts = DeliveryCounts()
    for name, sink in _sinks(settings, owned).items():
        delivery = Delivery(name, sink, rows, counts)
        owned.push_async_callback(delivery.close)
        delivery.start()
    return counts


def _sinks(settings: Settings, owned: AsyncExitStack) -> dict[SinkName, Sink]:
    sinks: dict[SinkName, Sink] = {}
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        receiver = _receiver(settings, settings.webhook_url, "RTC_WEBHOOK_URL", owned)
        sinks[SinkName.WEBHOOK] = WebhookSink(receiver, settings.webhook_secret.get_secret_value())
    if settings.legacy_save_url is not None:
        sinks[SinkName.LEGACY] = LegacySink(_receiver(settings, settings.legacy_save_url, "RTC_LEGACY_SAVE_URL", owned))
    if settings.xapi_url and settings.xapi_user and settings.xapi_password and settings.xapi_home_page:
        sinks[SinkName.XAPI] = XapiSink(
            _receiver(settings, settings.xapi_url.rstrip("/"), "RTC_XAPI_URL", owned),
            user=settings.xapi_user,
            password=settings.xapi_password.get_secret_value(),
            home_page=settings.xapi_home_page,
        )
    return sinks


def _receiver(settings: Settings, url: str, setting: str, owned: AsyncExitStack) -> Receiver:
    receiver = Receiver(url, setting=setting, allow_private=settings.webhook_allow_private)
    owned.push_async_callback(receiver.close)
    return receiver
