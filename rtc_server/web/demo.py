"""POST /demo/token: gives a token to anybody on this computer. Exists in demo mode only.

In demo mode the server listens on loopback. Other pages in the same browser must still be refused: by their Origin
header, and by the Host header, which shows DNS rebinding.
"""

import itertools
from collections.abc import Callable
from ipaddress import ip_address
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ValidationError

from rtc_server.errors import MalformedRequest, NotAllowed, TooLarge
from rtc_server.learner import Learner
from rtc_server.web.access.identifiers import Identifier, SectionIdentifier
from rtc_server.web.server.requests import read_text

MAX_BODY_BYTES = 1024
BODY_TIMEOUT_S = 5.0
TEACHER = 2**31 - 1
"""Nothing is stored of the demo's teacher: no learner gets this number."""
Role = Literal["learner", "teacher"]


class _TokenRequest(BaseModel):
    """The learner and module of the token. Without a user id it is for a new learner, or for the teacher."""

    role: Role = "learner"
    user_id: Identifier | None = None
    module_id: Identifier = 1
    section_id: SectionIdentifier | None = None


class DemoEndpoint:
    def __init__(self, mint: Callable[[Learner, Role], str]) -> None:
        """mint: signs a token for a learner, or for a teacher of the module."""
        self._mint = mint
        self._new_users = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/demo/token", self._create)]

    async def _create(self, request: web.Request) -> web.Response:
        _refuse_other_pages(request)
        asked = await _token_request(request) if request.can_read_body else _TokenRequest()
        user_id = asked.user_id or (TEACHER if asked.role == "teacher" else next(self._new_users))
        learner = Learner(user_id, asked.module_id, asked.section_id or None)
        return web.json_response(
            {
                "token": self._mint(learner, asked.role),
                "user_id": learner.user_id,
                "module_id": learner.module_id,
                "section_id": learner.section_id,
            }
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address always means this computer."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_other_pages(request: web.Request) -> None:
    """Raises NotAllowed. Browsers send Origin with every POST, so a request without it does not come from a page."""
    host = request.url.host
    if host is None or not is_loopback(host):
        raise NotAllowed("Demo tokens are given under this computer's own addresses only, such as http://127.0.0.1.")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        raise NotAllowed("Demo tokens are given to this server's own page only.")
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise NotAllowed("Demo tokens are given to this server's own page only.")


async def _token_request(request: web.Request) -> _TokenRequest:
    body = await read_text(
        request,
        "application/json",
        max_bytes=MAX_BODY_BYTES,
        timeout=BODY_TIMEOUT_S,
        too_large=TooLarge(f"The body is longer than {MAX_BODY_BYTES} bytes."),
        undecodable=MalformedRequest("The body is not UTF-8."),
    )
    try:
        return _TokenRequest.model_validate_json(body)
    except ValidationError:
        raise MalformedRequest(
            'Send {"role": "learner" or "teacher", "user_id": …, "module_id": …, "section_id": …} or nothing.'
        ) from None
