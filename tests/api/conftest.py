"""A server of one endpoint."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from rtc_server.signalling.auth import TokenVerifier, token_verifier
from rtc_server.signalling.problems import problem_middleware
from rtc_server.signalling.read_access import ReadAccess
from rtc_server.signalling.request_rate import RequestRate
from rtc_server.signalling.response_headers import response_headers_middleware
from tests.signalling.endpoints import AUDIENCE, SECRET, Server

Serve = Callable[[Sequence[web.RouteDef]], Awaitable[TestClient[web.Request, web.Application]]]


@pytest.fixture
def tokens() -> TokenVerifier:
    return token_verifier(secrets=[SECRET], audience=AUDIENCE, policies=["reading"])


@pytest.fixture
def reads(tokens: TokenVerifier) -> ReadAccess:
    return ReadAccess(tokens, RequestRate.of_learners(1000))


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    clients = []

    async def start(routes: Sequence[web.RouteDef]) -> TestClient[web.Request, web.Application]:
        application = web.Application(middlewares=[response_headers_middleware, problem_middleware])
        application.add_routes(routes)
        client = TestClient(Server(application, header_timeout=10.0))
        await client.start_server()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()
