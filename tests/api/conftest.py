"""A server of one door of the read side, and who may knock."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from rtc_server.learner import Learner
from rtc_server.signalling.auth import TokenVerifier, mint_token, token_verifier
from rtc_server.signalling.problems import problem_middleware
from rtc_server.signalling.response_headers import response_headers_middleware

SECRET = "a-secret-for-tests-of-more-than-32-bytes"
AUDIENCE = "rtc-server"

Serve = Callable[[Sequence[web.RouteDef]], Awaitable[TestClient[web.Request, web.Application]]]


def bearer(learner: Learner, **choices: object) -> dict[str, str]:
    token = mint_token(SECRET, learner, audience=AUDIENCE, **choices)  # type: ignore[arg-type]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def tokens() -> TokenVerifier:
    return token_verifier(secrets=[SECRET], audience=AUDIENCE, policies=["reading"])


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    clients = []

    async def start(routes: Sequence[web.RouteDef]) -> TestClient[web.Request, web.Application]:
        application = web.Application(middlewares=[response_headers_middleware, problem_middleware])
        application.add_routes(routes)
        client = TestClient(TestServer(application))
        await client.start_server()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()
