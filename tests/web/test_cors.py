"""Pages elsewhere: none by default, and then only those listed."""

import pytest

from rtc_server.errors import SettingsError
from rtc_server.web.server.cors import cors_middleware
from tests.web.endpoints import OFFER, bearer, signalling_application

PAGE = "https://lms.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture
async def open_to_page(serve, peers):
    return await serve(signalling_application(peers, cors_origins=(PAGE,)))


async def test_none_by_default(client):
    response = await client.options("/whip", headers=PREFLIGHT | {"Origin": PAGE})

    assert not [name for name in response.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize("path", ["/whip", "/whip/peer-0", "/offer", "/ice-servers"])
async def test_a_listed_page_may_ask_first(open_to_page, path):
    response = await open_to_page.options(path, headers=PREFLIGHT | {"Origin": PAGE})

    assert response.status == 200
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert response.headers["Access-Control-Allow-Methods"] == response.headers["Allow"]
    assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, If-Match, If-None-Match"
    assert "Origin" in response.headers["Vary"]


async def test_a_listed_page_may_read_what_whip_needs(open_to_page):
    headers = bearer() | {"Content-Type": "application/sdp", "Origin": PAGE}
    response = await open_to_page.post("/whip", data=OFFER, headers=headers)

    assert response.status == 201
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert response.headers["Access-Control-Expose-Headers"] == "Location, ETag, Link, Retry-After"
    assert "Access-Control-Allow-Credentials" not in response.headers


async def test_a_listed_page_may_read_why_it_was_refused(open_to_page):
    response = await open_to_page.post("/whip", headers={"Origin": PAGE})

    assert response.status == 401
    assert response.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://lms.example.evil", "http://lms.example"])
async def test_others_may_not(open_to_page, origin):
    response = await open_to_page.options("/whip", headers=PREFLIGHT | {"Origin": origin})

    assert "Access-Control-Allow-Origin" not in response.headers
    assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "lms.example", "https://lms.example/", "https://LMS.example", "https://lms.example:443", "ftp://a"],
)
def test_what_is_no_origin_does_not_start(origin):
    with pytest.raises(SettingsError, match="RTC_CORS_ORIGINS"):
        cors_middleware([origin])
