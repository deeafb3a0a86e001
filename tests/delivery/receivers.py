"""A receiver of events on loopback, which answers as the test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks.webhooks import Webhook

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cywgbG9uZyBlbm91Z2g="
Answer = Callable[[web.Request], Any]


class Inbox:
    """What has arrived: each verified, with its `webhook-id`."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.answer: Answer = lambda _request: web.Response(status=204)
        self.url = ""
        self.requests = 0
        self.check = True
        """Each must be signed."""
        self.at_once = self.most_at_once = 0
        self._news = asyncio.Condition()

    @property
    def types(self) -> list[str]:
        return [event["type"] for _, event in self.events]

    async def until(self, reached: Callable[["Inbox"], bool]) -> None:
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(lambda: reached(self))

    async def receive(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            body = await request.text()
            event = Webhook(SECRET).verify(body, dict(request.headers)) if self.check else {}
            async with self._news:
                self.events.append((request.headers.get("webhook-id", ""), event))
                self._news.notify_all()
            answer = self.answer(request)
            found: web.StreamResponse = await answer if asyncio.iscoroutine(answer) else answer
            return found
        finally:
            self.at_once -= 1


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None, *, port: int = 0) -> AsyncIterator[Inbox]:
    inbox = Inbox()
    application = web.Application()
    for path in ("/hook", "/statements"):
        application.router.add_post(path, inbox.receive)
    server = TestServer(application, port=port or None, scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    inbox.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}/hook"
    try:
        yield inbox
    finally:
        await server.close()
