"""The composition: builds the parts, hands them to each other, and ends them in the reverse order."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import SecretStr

from rtc_server.composition.delivery import open_delivery
from rtc_server.composition.fleet import join, open_fleet
from rtc_server.composition.http import (
    listen,
    load_certificate,
    make_application,
    make_ice_servers,
    make_signalling,
    make_token_verifier,
)
from rtc_server.composition.metrics import open_metrics
from rtc_server.composition.peers import open_peers
from rtc_server.composition.rows import open_rows
from rtc_server.settings import Settings


@asynccontextmanager
async def listening(settings: Settings, *, demo: bool, shares_port: bool = False) -> AsyncIterator[str]:
    """The whole server, from its database to its socket; gives the address it listens on.

    shares_port: other processes listen on the same port.
    Raises SettingsError and StoreUnavailable before it listens.
    """
    if demo:
        # Whoever tries it is alone: they see and may do all that there is.
        only_here = {"token_secret": SecretStr(secrets.token_urlsafe(48)), "learners_may_erase": True}
        settings = settings.model_copy(update=only_here)
    async with AsyncExitStack() as owned:
        certificate = load_certificate(settings)
        tokens = make_token_verifier(settings)
        ice_servers = make_ice_servers(settings)
        store = await open_rows(settings, owned)
        delivery = open_delivery(settings, store.outbox, owned)
        peers = await open_peers(settings, store, ice_servers, owned)
        registry = peers.registry
        fleet = open_fleet(settings, store, peers, owned)
        signalling = make_signalling(settings, registry, tokens)
        await open_metrics(settings, store, peers, signalling, ice_servers, fleet, delivery, owned)
        application = make_application(settings, store, registry, tokens, signalling, ice_servers, fleet, demo=demo)
        address, private_url = await listen(settings, application, certificate, owned, shares_port=shares_port)
        await join(fleet, private_url, owned)
        # First of all at the end, while HTTP still answers: newcomers are sent away, and `/readyz` says so.
        owned.push_async_callback(registry.close)
        yield address
