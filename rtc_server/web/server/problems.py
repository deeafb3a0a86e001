"""Turns every error into an HTTP answer of one form: problem+json (RFC 9457).

`STATUS` is the only table from this server's errors to HTTP statuses. A test fails if an error is missing in it.
"""

import json
import logging
import math
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from rtc_server.errors import (
    CalibrationFailed,
    ClipUnreadable,
    DecodeFailed,
    FleetUnreachable,
    FocusSessionUnknown,
    GroupTooSmall,
    KeysUnavailable,
    MalformedRequest,
    MediaTypeUnsupported,
    NotAllowed,
    NotOfThisFleet,
    ObservationsUnreadable,
    OfferMalformed,
    OfferUnacceptable,
    OutputUnwritable,
    PeerUnknown,
    PreconditionFailed,
    PreconditionMissing,
    RateLimited,
    RtcServerError,
    ServerFull,
    SettingsError,
    StillLive,
    StoreUnavailable,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TooLarge,
    TooSlow,
)

logger = logging.getLogger(__name__)

STATUS: Mapping[type[RtcServerError], HTTPStatus] = {
    OfferMalformed: HTTPStatus.BAD_REQUEST,
    MalformedRequest: HTTPStatus.BAD_REQUEST,
    TokenMissing: HTTPStatus.UNAUTHORIZED,
    TokenInvalid: HTTPStatus.UNAUTHORIZED,
    TokenExpired: HTTPStatus.UNAUTHORIZED,
    NotAllowed: HTTPStatus.FORBIDDEN,
    NotOfThisFleet: HTTPStatus.FORBIDDEN,
    GroupTooSmall: HTTPStatus.FORBIDDEN,
    PeerUnknown: HTTPStatus.NOT_FOUND,
    FocusSessionUnknown: HTTPStatus.NOT_FOUND,
    TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    StillLive: HTTPStatus.CONFLICT,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    MediaTypeUnsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    OfferUnacceptable: HTTPStatus.UNPROCESSABLE_ENTITY,
    CalibrationFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    PreconditionMissing: HTTPStatus.PRECONDITION_REQUIRED,
    RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    ServerFull: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    FleetUnreachable: HTTPStatus.SERVICE_UNAVAILABLE,
    KeysUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    # These are for the command line or for a peer's frames. In a request they are bugs.
    ClipUnreadable: HTTPStatus.INTERNAL_SERVER_ERROR,
    DecodeFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    ObservationsUnreadable: HTTPStatus.INTERNAL_SERVER_ERROR,
    OutputUnwritable: HTTPStatus.INTERNAL_SERVER_ERROR,
    SettingsError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

OUTAGE_RETRY_AFTER_S = 10
"""How long a client is told to wait while the database or the platform's keys cannot be reached."""


INTERNAL_DETAIL = "An unexpected error on the server. Its log says more."


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every exception of a handler into problem+json.

    Place it inside the middlewares that log requests and add headers, and outside those that raise errors.
    """
    try:
        return await handler(request)
    except RtcServerError as error:
        if status_of(error) is HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.exception("unexpected error in a request")
        return problem_of(error)
    except web.HTTPException as answer:
        if answer.status < HTTPStatus.BAD_REQUEST:
            raise
        return _reshaped(answer)
    except Exception:
        logger.exception("unexpected error in a request")
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", INTERNAL_DETAIL)


def status_of(error: RtcServerError) -> HTTPStatus:
    """The status of the error's class, or of its nearest base class in the table; else 500."""
    for ancestor in type(error).__mro__:
        if ancestor in STATUS:
            return STATUS[ancestor]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem_of(error: RtcServerError) -> web.Response:
    status = status_of(error)
    detail = INTERNAL_DETAIL if status >= 500 and status != 503 else str(error)
    response = _problem(status, error.code, detail)
    match error:
        case TokenMissing():
            # RFC 6750, 3.1: the answer to a request without a token names the scheme only.
            response.headers["WWW-Authenticate"] = 'Bearer realm="rtc-server"'
        case TokenInvalid() | TokenExpired():
            response.headers["WWW-Authenticate"] = 'Bearer realm="rtc-server", error="invalid_token"'
        case RateLimited(retry_after_s=seconds) | ServerFull(retry_after_s=seconds):
            response.headers["Retry-After"] = str(max(1, math.ceil(seconds)))
        case StoreUnavailable() | KeysUnavailable() | FleetUnreachable():
            response.headers["Retry-After"] = str(OUTAGE_RETRY_AFTER_S)
        case TooSlow():
            response.force_close()
        case _:
            pass
    return response


def _reshaped(answer: web.HTTPException) -> web.Response:
    """An error of aiohttp's own (no such path, wrong method, body too large) in our form."""
    status = HTTPStatus(answer.status)
    response = _problem(status, status.name.lower(), f"{status.description or status.phrase}.")
    if "Allow" in answer.headers:
        response.headers["Allow"] = answer.headers["Allow"]
    return response


def _problem(status: HTTPStatus, code: str, detail: str) -> web.Response:
    # Without `type`, RFC 9457 assumes about:blank, whose title is the status's own phrase.
    problem = {"title": status.phrase, "status": status.value, "detail": detail, "code": code}
    return web.Response(body=json.dumps(problem).encode(), status=status, content_type="application/problem+json")
