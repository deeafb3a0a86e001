"""Where events are posted to, and how little of a receiver is trusted."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from rtc_server.delivery import receiver as receiver_module
from rtc_server.delivery.receiver import MOST_READ, NoAnswer, NotSent, Receiver
from rtc_server.errors import SettingsError
from rtc_server.web.server.tls import Certificate
from tests.delivery.receivers import receiving
from tests.web.test_tls import write_pair


class Names(AbstractResolver):
    """A name server of the test: each question gets the next answer."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
        address = self._answers.pop(0)
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(url, setting="RTC_WEBHOOK_URL", **options)
    try:
        yield receiver
    finally:
        await receiver.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "ftp://example.org/hook",
        "example.org/hook",
        "https://",
        "https://user:password@example.org/",
        "https://example.org:99999/",
        "https://[::1/",
        "https://example.org/#fragment",
    ],
)
def test_an_address_that_is_none_does_not_start(url: str) -> None:
    with pytest.raises(SettingsError, match="RTC_WEBHOOK_URL") as raised:
        Receiver(url, setting="RTC_WEBHOOK_URL")
    assert "password" not in str(raised.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_a_private_address_is_not_connected_to(host: str) -> None:
    """`localhost` by the machine's own names."""
    connected = asyncio.Event()
    server = await asyncio.start_server(lambda *_: connected.set(), "127.0.0.1", 0)
    async with server, opened(f"https://{host}:{server.sockets[0].getsockname()[1]}/hook") as receiver:
        with pytest.raises(NotSent, match="not public"):
            await receiver.post(b"{}", {})
    assert not connected.is_set()


async def test_a_name_that_leads_inside_the_second_time_is_refused_then() -> None:
    names = Names("10.0.0.1", "169.254.169.254")
    async with opened("https://hook.example.org/hook", resolver=names) as receiver:
        for _ in range(2):
            with pytest.raises(NotSent, match="not public"):
                await receiver.post(b"{}", {})


async def test_plain_http_reaches_private_addresses_only() -> None:
    async with opened("http://hook.example.org/", allow_private=True, resolver=Names("8.8.8.8")) as receiver:
        with pytest.raises(NotSent, match="private addresses only"):
            await receiver.post(b"{}", {})


async def answering(handler: Any) -> web.AppRunner:
    application = web.Application()
    application.router.add_post("/", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


async def post_to(handler: Any) -> Any:
    runner = await answering(handler)
    try:
        async with opened(f"http://127.0.0.1:{runner.addresses[0][1]}/", allow_private=True) as receiver:
            return await receiver.post(b"{}", {"Content-Type": "application/json"})
    finally:
        await runner.cleanup()


async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": inner.url})

    async with receiving() as inner:
        assert (await post_to(elsewhere)).status == 307
        assert inner.requests == 0


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 100_000_000:
            await response.write(b"x" * 65536)
            sent += 65536
        return response

    answer = await post_to(endless)
    assert (answer.status, len(answer.body)) == (200, MOST_READ)
    assert sent < 20_000_000, "what the sockets hold, and no more"


async def test_who_does_not_answer_in_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "SEND_WITHIN_S", 0.2)

    async def silent(_request: web.Request) -> web.Response:
        await asyncio.sleep(0.6)
        return web.Response()

    with pytest.raises(NoAnswer, match="TimeoutError"):
        await post_to(silent)


async def test_who_drips_is_left_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "SEND_WITHIN_S", 0.3)

    async def dripping(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b".")
            await asyncio.sleep(0.01)
        return response

    with pytest.raises(NoAnswer):
        await post_to(dripping)


async def test_whoever_is_not_there_has_certainly_not_got_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening
        async with opened(f"http://127.0.0.1:{taken.getsockname()[1]}/", allow_private=True) as receiver:
            with pytest.raises(NotSent, match="ConnectionRefusedError"):
                await receiver.post(b"{}", {})


async def test_who_hangs_up_may_have_got_it() -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    with pytest.raises(NoAnswer):
        await post_to(hang_up)


async def test_no_header_or_cookie_of_an_answer_is_kept() -> None:
    seen: list[str] = []

    async def setting(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie", "none"))
        return web.Response(headers={"Set-Cookie": "a=b", "Retry-After": "17"})

    runner = await answering(setting)
    try:
        async with opened(f"http://127.0.0.1:{runner.addresses[0][1]}/", allow_private=True) as receiver:
            answers = [await receiver.post(b"{}", {}) for _ in range(2)]
    finally:
        await runner.cleanup()
    assert [answer.retry_after_s for answer in answers] == [17, 17]
    assert seen == ["none", "none"]


@pytest.mark.parametrize("value", ["-1", "soon", "Fri, 27 Nov 2026 20:00:00 GMT", "9" * 5000, "\u0661"])
async def test_nonsense_in_retry_after_asks_for_nothing(value: str) -> None:
    async def lying(_request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": value})

    assert (await post_to(lying)).retry_after_s == 0


async def test_a_certificate_of_nobody_is_not_accepted(tmp_path: Path) -> None:
    tls = Certificate(*write_pair(tmp_path, "127.0.0.1")).context
    async with receiving(tls) as inbox, opened(inbox.url, allow_private=True) as receiver:
        with pytest.raises(NotSent, match="certificate"):
            await receiver.post(b"{}", {})
