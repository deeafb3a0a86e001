"""Demo tokens: for this computer's own page, and no other page in its browser."""

import pytest

from rtc_server.learner import Learner
from rtc_server.web.access.auth import mint_token
from rtc_server.web.demo import DemoEndpoint, is_loopback
from tests.web.endpoints import AUDIENCE, SECRET


@pytest.fixture
async def client(serve):
    return await serve(
        DemoEndpoint(lambda learner, role: mint_token(SECRET, learner, audience=AUDIENCE, role=role)).routes()
    )


async def test_each_visitor_is_a_learner_of_their_own(client, tokens):
    first, second = [await (await client.post("/demo/token")).json() for _ in range(2)]

    assert first["user_id"] != second["user_id"]
    grant = await tokens.grant(f"Bearer {first['token']}")
    assert grant.learner == Learner(first["user_id"], first["module_id"], first["section_id"])


async def test_a_visitor_may_come_back(client, tokens):
    wish = {"user_id": 7, "module_id": 3, "section_id": 2}

    given = await (await client.post("/demo/token", json=wish)).json()

    assert (await tokens.grant(f"Bearer {given['token']}")).learner == Learner(7, 3, 2)


async def test_the_class_is_shown_to_a_teacher(client, tokens):
    given = await (await client.post("/demo/token", json={"role": "teacher", "module_id": 3})).json()

    grant = await tokens.grant(f"Bearer {given['token']}")
    assert grant.role == "teacher"
    assert grant.learner.module_id == 3
    assert (await (await client.post("/demo/token")).json())["user_id"] == 1, "and uses up no learner's number"


async def test_the_page_of_this_server_gets_one(client):
    origin = f"http://{client.host}:{client.port}"
    response = await client.post("/demo/token", headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"})

    assert response.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "192.0.2.1"},
    ],
    ids=str,
)
async def test_other_pages_get_none(client, headers):
    response = await client.post("/demo/token", headers=headers)

    assert response.status == 403
    assert "token" not in await response.json(content_type=None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"hello", 400),
        (b"[]", 400),
        (b'{"user_id": 0}', 400),
        (b'{"user_id": 1e99}', 400),
        (b"\xff", 400),
        (b" " * 2000, 413),
    ],
)
async def test_a_body_that_asks_for_no_learner_is_refused(client, body, status):
    response = await client.post("/demo/token", data=body, headers={"Content-Type": "application/json"})

    assert response.status == status


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST", "localhost."])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "localhost.evil.example", "example.org", ""])
def test_not_loopback(host):
    assert not is_loopback(host)
