"""What endpoints do with a request before their own work starts: bounded bodies, checked queries."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler

from rtc_server.errors import MalformedRequest, MediaTypeUnsupported, RtcServerError, TooSlow


async def read_text(
    request: web.Request,
    media_type: str,
    *,
    max_bytes: int,
    timeout: float,
    too_large: RtcServerError,
    undecodable: RtcServerError,
) -> str:
    """The whole body, if it is of this media type, not longer than max_bytes, UTF-8, and here in time.

    Never holds more than max_bytes and one chunk. Raises MediaTypeUnsupported, TooSlow and the two errors given.
    """
    if request.content_type != media_type:
        raise MediaTypeUnsupported(f"Send {media_type}.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise MediaTypeUnsupported("Send the body as it is, not compressed.")
    if request.content_length is not None and request.content_length > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {timeout:g} seconds.") from None
    except (web.RequestPayloadError, ConnectionError):
        raise MalformedRequest("The body ended early, or its framing is not valid HTTP.") from None
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise undecodable from None


def continued_session(request: web.Request) -> str | None:
    """The FocusSession that a new peer goes on with: `?continues=`. Raises MalformedRequest."""
    text = request.query.get("continues")
    if text is None:
        return None
    try:
        return str(UUID(text))
    except ValueError:
        raise MalformedRequest("`continues` is not the id of a focus session.") from None


def consent_time(request: web.Request) -> datetime | None:
    """When the learner agreed to the camera: `?consent_at=`, ISO 8601 with its offset. Raises MalformedRequest."""
    text = request.query.get("consent_at")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise MalformedRequest("`consent_at` has no offset from UTC, such as Z or +02:00 (write + as %2B).")
        # A learner's clock may be fast; nobody agrees in the future.
        return min(moment.astimezone(UTC), datetime.now(UTC))
    except (ValueError, OverflowError):
        raise MalformedRequest("`consent_at` is not an ISO 8601 time such as 2026-01-31T09:30:00Z.") from None


def answer_options(*methods: str, accept: tuple[str, str] | None = None) -> Handler:
    """A handler for OPTIONS: which methods a resource has, and which media types it takes.

    accept: the header that says so and its value, such as ("Accept-Post", "application/sdp").
    """
    headers = {"Allow": ", ".join((*methods, "OPTIONS"))}
    if accept is not None:
        headers[accept[0]] = accept[1]

    async def options(_request: web.Request) -> web.StreamResponse:
        return web.Response(headers=headers)

    return options
