"""What the log says of requests, and what it must not."""

import logging

import pytest

from rtc_server.learner import Learner
from rtc_server.structured_logging import JsonFormatter
from tests.web.endpoints import bearer

CANDIDATE = "a=candidate:1 1 udp 1 192.0.2.77 4711 typ host"


async def test_a_line_for_each_request_and_nothing_of_anybody_in_it(client, peers, caplog):
    caplog.set_level(logging.DEBUG)
    learner = Learner(user_id=987654, module_id=876543, section_id=765432)
    token = bearer(learner)
    offer = "v=0\r\ns=private-words\r\n"
    headers = token | {"Content-Type": "application/sdp", "X-Forwarded-For": "198.51.100.7"}
    await client.post("/whip?continues=6f9619ff-8b86-d011-b42d-00cf4fc964ff", data=offer, headers=headers)
    fragment = token | {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": '"ice-peer-0"'}
    await client.patch("/whip/peer-0", data=CANDIDATE, headers=fragment)
    await client.delete("/whip/peer-0", headers=token)
    await client.get("/somebody@example.org")

    requests = [record for record in caplog.records if record.name.endswith("request_log")]
    said = [(record.method, record.route, record.status) for record in requests]
    assert said == [
        ("POST", "/whip", 201),
        ("PATCH", "/whip/{peer_id}", 204),
        ("DELETE", "/whip/{peer_id}", 200),
        ("GET", "none", 404),
    ]
    ours = [record for record in caplog.records if record.name.startswith(("rtc_server", "aiohttp"))]
    text = "\n".join(JsonFormatter().format(record) for record in ours)
    secrets = ["987654", "876543", "765432", "private-words", "192.0.2.77", "198.51.100.7", "127.0.0.1", "peer-0"]
    for secret in [*secrets, "6f9619ff", "somebody", token["Authorization"][-20:]]:
        assert secret not in text


@pytest.mark.parametrize("path", ["/whip", "/ice-servers", "/nowhere"])
async def test_every_answer_keeps_browsers_from_misusing_it(client, path):
    headers = (await client.get(path)).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] == "rtc-server"
