"""Which events are put into the outbox, and for whom."""

from rtc_server.errors import SettingsError
from rtc_server.event import EventType, SinkName
from rtc_server.settings import Settings
from rtc_server.store.outbox.outbox import Outbox


def make_outbox(settings: Settings) -> Outbox:
    """Raises SettingsError."""
    wanted: dict[SinkName, frozenset[EventType]] = {}
    if (settings.webhook_url is None) != (settings.webhook_secret is None):
        raise SettingsError("RTC_WEBHOOK_URL and RTC_WEBHOOK_SECRET belong together: set both or neither")
    if settings.webhook_url is not None:
        wanted[SinkName.WEBHOOK] = frozenset(EventType)
    if settings.legacy_save_url is not None:
        wanted[SinkName.LEGACY] = frozenset({EventType.UPDATED, EventType.ENDED})
    xapi = (settings.xapi_url, settings.xapi_user, settings.xapi_password, settings.xapi_home_page)
    if any(xapi):
        if not all(xapi):
            raise SettingsError("RTC_XAPI_URL, _USER, _PASSWORD and _HOME_PAGE belong together: set all four or none")
        wanted[SinkName.XAPI] = frozenset({EventType.STARTED, EventType.ENDED})
    return Outbox(wanted, settings.webhook_update_interval)
