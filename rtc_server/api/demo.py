"""POST /demo/token: a token for whoever sits at this computer. Registered in demo mode only.

The server listens on loopback then, so what is left to keep out are other pages in the same
browser: by their origin, and by the Host that a rebound name brings along.
"""

import itertools
from collections.abc import Callable
from ipaddress import ip_address

from aiohttp import web
from pydantic import BaseModel, ValidationError

from rtc_server.errors import MalformedRequest, NotAllowed, TooLarge
from rtc_server.learner import Learner
from rtc_server.signalling.auth import Identifier, SectionIdentifier
from rtc_server.signalling.requests import read_text

MAX_BODY_BYTES = 1024
BODY_TIMEOUT_S = 5.0


class _Wish(BaseModel):
    """Whom the token is to be for. Without a user it is for a learner who has not been here before."""

    user_id: Identifier | None = None
    module_id: Identifier = 1
    section_id: SectionIdentifier | None = None


class DemoDoor:
    def __init__(self, mint: Callable[[Learner], str]) -> None:
        """mint: signs a token for a learner."""
        self._mint = mint
        self._new_users = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/demo/token", self._hand_out)]

    async def _hand_out(self, request: web.Request) -> web.Response:
        _refuse_other_pages(request)
        wish = await _wish(request) if request.can_read_body else _Wish()
        user_id = wish.user_id or next(self._new_users)
        learner = Learner(user_id, wish.module_id, wish.section_id or None)
        return web.json_response(
            {
                "token": self._mint(learner),
                "user_id": learner.user_id,
                "module_id": learner.module_id,
                "section_id": learner.section_id,
            }
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this computer."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_other_pages(request: web.Request) -> None:
    """Raises NotAllowed. A browser sends Origin with every POST; what sends none is no page."""
    host = request.url.host
    if host is None or not is_loopback(host):
        raise NotAllowed("Demo mode answers to this computer's own addresses only.")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        raise NotAllowed("Demo tokens are for the page of this server only.")
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise NotAllowed("Demo tokens are for the page of this server only.")


async def _wish(request: web.Request) -> _Wish:
    body = await read_text(
        request,
        "application/json",
        max_bytes=MAX_BODY_BYTES,
        timeout=BODY_TIMEOUT_S,
        too_large=TooLarge(f"The body is longer than {MAX_BODY_BYTES} bytes."),
        undecodable=MalformedRequest("The body is not UTF-8."),
    )
    try:
        return _Wish.model_validate_json(body)
    except ValidationError:
        raise MalformedRequest('Send {"user_id": …, "module_id": …, "section_id": …} or nothing.') from None
