"""A server of the signalling endpoints alone."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.signalling.endpoints import MemoryPeers, Serve, Server, signalling_application


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    clients = []

    async def start(
        application: web.Application, header_timeout: float = 10.0
    ) -> TestClient[web.Request, web.Application]:
        client = TestClient(Server(application, header_timeout))
        await client.start_server()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
def peers() -> MemoryPeers:
    return MemoryPeers()


@pytest.fixture
async def client(serve: Serve, peers: MemoryPeers) -> TestClient[web.Request, web.Application]:
    return await serve(signalling_application(peers))
