"""What a server of the fleet writes on a request that it relays to another one, signed with the fleet's secret.

It says that the request has been charged, and for whose address. A JSON Web Token (RFC 7519), valid for seconds, for
one method and path.
"""

import time
from dataclasses import dataclass

import jwt
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from rtc_server.errors import NotOfThisFleet

HEADER = "RTC-Fleet"
VALID_S = 10.0
CLOCKS_DIFFER_S = 5.0
"""Between two hosts of the fleet, at most."""
_AUDIENCE = "rtc-fleet"
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Passport:
    client_address: str


_PASSPORT = web.RequestKey("passport", Passport)


def passport_of(request: web.Request) -> Passport | None:
    """None for a request that came straight from a client."""
    return request.get(_PASSPORT)


class PassportOffice:
    """Writes and checks them."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def issue(self, method: str, path: str, client_address: str) -> dict[str, str]:
        """The header for one request. path: without the query."""
        claims = {
            "aud": _AUDIENCE,
            "exp": time.time() + VALID_S,
            "method": method,
            "path": path,
            "client": client_address,
        }
        return {HEADER: jwt.encode(claims, self._secret, algorithm=_ALGORITHM)}

    def check(self, token: str, method: str, path: str) -> Passport:
        """Raises NotOfThisFleet."""
        required = ["aud", "exp", "method", "path", "client"]
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                leeway=CLOCKS_DIFFER_S,
                options={"require": required},
            )
        except jwt.InvalidTokenError:
            raise NotOfThisFleet(f"{HEADER} is for the servers of the fleet among themselves.") from None
        if (claims["method"], claims["path"]) != (method, path):
            raise NotOfThisFleet(f"{HEADER} was made for another request.")
        return Passport(str(claims["client"]))


def passport_middleware(office: PassportOffice | None) -> Middleware:
    """Notes what another server vouches for. Without a fleet nobody does."""

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        token = request.headers.get(HEADER)
        if token is not None:
            if office is None:
                raise NotOfThisFleet(f"{HEADER}: this server belongs to no fleet.")
            request[_PASSPORT] = office.check(token, request.method, request.rel_url.raw_path)
        return await handler(request)

    return checked
