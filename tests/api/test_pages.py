"""The page and its modules, and nothing else of the file system."""

import re
from pathlib import Path

import pytest

from rtc_server.api.health import health_routes
from rtc_server.api.pages import page_routes

STATIC = Path(__file__).parents[2] / "static"


@pytest.fixture
def folder(tmp_path):
    static = tmp_path / "static"
    (static / "deep").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>page</title>")
    (static / "check.html").write_text("<!doctype html><title>check</title>")
    (static / "page.js").write_text("export const page = 1;")
    (static / "deep" / "page.css").write_text("p { color: red }")
    (static / "secret.py").write_text("SECRET = 1")
    (static / ".hidden.js").write_text("hidden")
    (tmp_path / "outside.js").write_text("outside")
    (static / "link.js").symlink_to(tmp_path / "outside.js")
    return static


@pytest.fixture
async def client(serve, folder):
    return await serve([*page_routes(folder), *health_routes(lambda: False)])


@pytest.mark.parametrize(("path", "title"), [("/", "page"), ("/check", "check")])
async def test_a_page_comes_with_a_strict_policy(client, path, title):
    response = await client.get(path)

    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f"<title>{title}" in await response.text()
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["Permissions-Policy"].startswith("camera=(self), microphone=()")
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("page.js", "text/javascript; charset=utf-8"), ("deep/page.css", "text/css; charset=utf-8")],
)
async def test_a_file_has_its_type_and_other_origins_may_load_it(client, path, kind):
    response = await client.get(f"/static/{path}")

    assert response.status == 200
    assert response.headers["Content-Type"] == kind
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "script-src 'self'" in response.headers["Content-Security-Policy"], "a worker lives by its script's policy"


async def test_a_file_is_asked_for_anew_and_sent_once(client):
    first = await client.get("/static/page.js")
    again = await client.get("/static/page.js", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "no-cache"
    assert again.status == 304


@pytest.mark.parametrize(
    "path",
    [
        "",
        "deep",
        "deep/",
        "secret.py",
        ".hidden.js",
        "link.js",
        "..%2foutside.js",
        "%2e%2e/outside.js",
        "%2fetc%2fpasswd",
        "page.js%00",
        "gone.js",
    ],
)
async def test_nothing_else_is_served(client, path):
    response = await client.get(f"/static/{path}")

    assert response.status == 404


async def test_the_process_lives(client):
    response = await client.get("/healthz")

    assert response.status == 200
    assert await response.json() == {"status": "ok", "spool": "ok"}


async def test_a_spool_that_cannot_be_written_is_told_and_restarts_nobody(serve):
    response = await (await serve(health_routes(lambda: True))).get("/healthz")

    assert response.status == 200
    assert await response.json() == {"status": "ok", "spool": "cannot be written"}


async def test_our_own_pages_need_nothing_that_the_policy_forbids(serve):
    """No inline script or style, no other origin."""
    client = await serve(page_routes(STATIC))

    for page in STATIC.glob("*.html"):
        name = "/" if page.name == "index.html" else f"/{page.stem}"
        text = await (await client.get(name)).text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|=.javascript:", text, re.IGNORECASE)
        for address in re.findall(r'\b(?:src|href)="([^"]+)"', text):
            assert not re.match(r"[a-z]+:|//", address, re.IGNORECASE)
            if not address.startswith("#"):
                assert (await client.get("/" + address.removeprefix("/"))).status == 200
