"""A server of some endpoints, with the timeouts of the real one."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from rtc_server.web.access.auth import TokenVerifier, token_verifier
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.access.request_rate import RequestRate
from rtc_server.web.server.problems import problem_middleware
from rtc_server.web.server.response_headers import response_headers_middleware
from tests.web.endpoints import AUDIENCE, SECRET, MemoryPeers, Routes, Serve, Server, signalling_application


@pytest.fixture
def tokens() -> TokenVerifier:
    return token_verifier(secrets=[SECRET], audience=AUDIENCE, policies=["reading"])


@pytest.fixture
def reads(tokens: TokenVerifier) -> ReadAccess:
    return ReadAccess(tokens, RequestRate.of_learners(1000))


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server of an application, or of routes alone; gives a client of it."""
    clients = []

    async def start(
        served: web.Application | Routes, header_timeout: float = 10.0
    ) -> TestClient[web.Request, web.Application]:
        application = served if isinstance(served, web.Application) else _application(served)
        client = TestClient(Server(application, header_timeout))
        await client.start_server()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()


def _application(routes: Routes) -> web.Application:
    application = web.Application(middlewares=[response_headers_middleware, problem_middleware])
    application.add_routes(routes)
    return application


@pytest.fixture
def peers() -> MemoryPeers:
    return MemoryPeers()


@pytest.fixture
async def client(serve: Serve, peers: MemoryPeers) -> TestClient[web.Request, web.Application]:
    return await serve(signalling_application(peers))
