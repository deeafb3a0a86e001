"""Requests that another server of the fleet should answer: offers that it has more room for, and peers that it has.

The request is relayed, and the answer passed on. Clients are never redirected: a browser would not send `Authorization`
to another origin. What was relayed once is not relayed again.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from rtc_server.errors import FleetUnreachable, NotOfThisFleet, PeerUnknown, ServerFull
from rtc_server.fleet.worker import Worker, owner_of
from rtc_server.tally import Tally
from rtc_server.web.access.client_address import ClientAddresses
from rtc_server.web.access.passport import PassportOffice, passport_of
from rtc_server.web.among_servers import END, SETTLE

logger = logging.getLogger(__name__)

WORKERS_ASKED = 3
"""For one offer, at most; this one included."""
ANSWERS_WITHIN_S = 3.0
"""An answer to an offer is made in some 10 ms."""
_PASSED_ON = ("Authorization", "Content-Type", "If-Match", "Origin")
_PASSED_BACK = {"content-type", "location", "etag", "link", "retry-after", "www-authenticate"}

Here = Callable[[], Awaitable[web.Response]]
"""Answers on this server."""


class Fleet(Protocol):
    """Raises nothing but what is said."""

    @property
    def worker_id(self) -> str:
        """This server's own."""
        ...

    async def order(self) -> list[Worker]:
        """Whom to ask for a place, the best first; this server is among them."""
        ...

    async def find(self, worker_id: str) -> Worker | None:
        """Raises FleetUnreachable if nobody can tell."""
        ...

    def taken(self, worker: Worker) -> None:
        """A newcomer was taken there, or here."""


class Elsewhere(Protocol):
    """Answers here, or has another server answer."""

    async def offer(self, request: web.Request, body: str, here: Here) -> web.Response: ...
    async def peer(self, request: web.Request, peer_id: str, body: str, here: Here) -> web.Response: ...


class OtherServers(Protocol):
    """Raises nothing: what another server does not do, the database shows."""

    async def settle(self, server_id: str, focus_session_id: str) -> None:
        """Returns once that server has stored the session as it is now, or cannot be reached."""
        ...

    async def end_user(self, server_id: str, user_id: int) -> None:
        """Has that server end the learner's sessions."""
        ...


TAKEN, REFUSED, UNREACHABLE = "taken", "refused", "unreachable"


def _outcomes() -> Tally:
    return Tally((TAKEN, REFUSED, UNREACHABLE))


class OnlyHere:
    """There is no other server."""

    def __init__(self) -> None:
        self.offers = _outcomes()

    async def offer(self, _request: web.Request, _body: str, here: Here) -> web.Response:
        return await here()

    async def peer(self, _request: web.Request, _peer_id: str, _body: str, here: Here) -> web.Response:
        return await here()

    async def settle(self, _server_id: str, _focus_session_id: str) -> None:
        """Nobody has it."""

    async def end_user(self, _server_id: str, _user_id: int) -> None:
        """Nobody has any."""


class Relay:
    """Implements `Elsewhere` and `OtherServers` for a fleet."""

    def __init__(
        self, fleet: Fleet, http: aiohttp.ClientSession, office: PassportOffice, addresses: ClientAddresses
    ) -> None:
        self._fleet = fleet
        self._http = http
        self._office = office
        self._addresses = addresses
        self.offers = _outcomes()
        """Those that another server was asked to answer."""

    async def offer(self, request: web.Request, body: str, here: Here) -> web.Response:
        """A place on the best server that has one. Raises ServerFull, and what `here` raises."""
        if passport_of(request) is not None:
            return await here()
        refusal: ServerFull | None = None
        for worker in (await self._fleet.order())[:WORKERS_ASKED]:
            if worker.worker_id == self._fleet.worker_id:
                try:
                    answer = await here()
                except ServerFull as error:
                    refusal = error
                    continue
            else:
                relayed = await self._relayed(worker, request, body)
                refused = relayed is not None and relayed.status == HTTPStatus.SERVICE_UNAVAILABLE
                self.offers.add(REFUSED if refused else TAKEN if relayed is not None else UNREACHABLE)
                if relayed is None or refused:
                    continue
                answer = relayed
            self._fleet.taken(worker)
            return answer
        raise refusal or ServerFull("All servers are full.", retry_after_s=5.0)

    async def peer(self, request: web.Request, peer_id: str, body: str, here: Here) -> web.Response:
        """Raises PeerUnknown, FleetUnreachable, and what `here` raises."""
        worker_id = owner_of(peer_id)
        if passport_of(request) is not None or worker_id in (None, self._fleet.worker_id):
            return await here()
        assert worker_id is not None
        worker = await self._fleet.find(worker_id)
        response = await self._relayed(worker, request, body) if worker is not None else None
        if response is None:
            # A server that cannot be reached has no peers any more, as far as this learner is concerned: with a new
            # offer the session goes on elsewhere.
            raise PeerUnknown("There is no such peer, or it has ended.")
        return response

    async def settle(self, server_id: str, focus_session_id: str) -> None:
        await self._ask(server_id, SETTLE.format(focus_session_id=focus_session_id))

    async def end_user(self, server_id: str, user_id: int) -> None:
        await self._ask(server_id, END.format(user_id=user_id))

    async def _ask(self, server_id: str, path: str) -> None:
        """Another server, by POST."""
        if server_id == self._fleet.worker_id:
            return
        with suppress(FleetUnreachable):
            worker = await self._fleet.find(server_id)
            if worker is not None:
                headers = CIMultiDict(self._office.issue("POST", path, ""))
                await self._send("POST", f"{worker.private_url}{path}", b"", headers)

    async def _relayed(self, worker: Worker, request: web.Request, body: str) -> web.Response | None:
        """None if it cannot be reached."""
        path = request.rel_url.raw_path
        headers = CIMultiDict({name: request.headers[name] for name in _PASSED_ON if name in request.headers})
        headers.update(self._office.issue(request.method, path, self._addresses.of(request)))
        url = f"{worker.private_url}{request.rel_url.raw_path_qs}"
        return await self._send(request.method, url, body.encode(), headers)

    async def _send(self, method: str, url: str, body: bytes, headers: CIMultiDict[str]) -> web.Response | None:
        try:
            async with (
                asyncio.timeout(ANSWERS_WITHIN_S),
                self._http.request(method, url, data=body, headers=headers) as answer,
            ):
                content = await answer.read()
                if answer.status == HTTPStatus.FORBIDDEN and _code_of(content) == NotOfThisFleet.code:
                    logger.error("a server of the fleet has another RTC_FLEET_SECRET")
                    return None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            logger.warning("a server of the fleet cannot be reached", extra={"cause": type(error).__name__})
            return None
        back = CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() in _PASSED_BACK)
        return web.Response(status=answer.status, body=content, headers=back)


def _code_of(content: bytes) -> object:
    """Of a problem; None for anything else."""
    with suppress(ValueError, AttributeError):
        return json.loads(content).get("code")
    return None
