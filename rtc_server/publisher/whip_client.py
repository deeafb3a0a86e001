"""A WHIP client (RFC 9725): posts an offer, deletes the resource."""

import json
from dataclasses import dataclass
from urllib.parse import urljoin

import aiohttp

from rtc_server.errors import RtcServerError


class ServerRefused(RtcServerError):
    """The server refused, or did not answer. The message has its reason."""

    code = "server_refused"


@dataclass(frozen=True, slots=True)
class WhipResource:
    """The HTTP resource that stands for the peer on the server."""

    url: str
    answer_sdp: str


async def post_offer(
    http: aiohttp.ClientSession, url: str, token: str, offer_sdp: str, *, continues: str | None = None
) -> WhipResource:
    """continues: the FocusSession that shall go on. Raises `ServerRefused`."""
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {token}"}
    query = {"continues": continues} if continues is not None else {}
    try:
        async with http.post(url, data=offer_sdp, headers=headers, params=query) as response:
            if response.status != 201:
                raise ServerRefused(await _refusal(response))
            if "Location" not in response.headers:
                raise ServerRefused(f"{url} is not a WHIP endpoint: its answer has no Location.")
            return WhipResource(urljoin(str(response.url), response.headers["Location"]), await response.text())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ServerRefused(f"{url} cannot be reached: {_words_of(error)}.") from None


async def delete(http: aiohttp.ClientSession, resource: WhipResource, token: str) -> None:
    """Deletes the resource. It is no error if it is gone already. Raises `ServerRefused`."""
    try:
        async with http.delete(resource.url, headers={"Authorization": f"Bearer {token}"}) as response:
            if response.status >= 400 and response.status not in (404, 410):
                raise ServerRefused(await _refusal(response))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ServerRefused(f"{resource.url} cannot be reached: {_words_of(error)}.") from None


async def demo_token(http: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    """A user id and a token from a demo server, as its own page gets them. Raises `ServerRefused`."""
    address = urljoin(url, "/demo/token")
    try:
        async with http.post(address, headers={"Origin": urljoin(url, "/").rstrip("/")}) as response:
            if response.status >= 400:
                raise ServerRefused(
                    f"{address} gives no token ({response.status}): pass one with --token, or set RTC_TOKEN_SECRET."
                )
            answer = await response.json()
            return int(answer["user_id"]), str(answer["token"])
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ServerRefused(f"{address} cannot be reached: {_words_of(error)}.") from None
    except (KeyError, TypeError, ValueError):
        raise ServerRefused(f"{address} answered without a token.") from None


async def _refusal(response: aiohttp.ClientResponse) -> str:
    """An error with one line from a problem+json body (RFC 9457), or from any other body."""
    body = await response.text(errors="replace")
    try:
        problem = json.loads(body)
        said = problem.get("detail") or problem.get("title") or ""
    except (ValueError, AttributeError):
        said = " ".join(body.split())[:200]
    return f"{response.url} refused: {response.status} {said or response.reason or ''}".rstrip()


def _words_of(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
