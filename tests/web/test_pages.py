"""The page and its modules, and nothing else of the file system."""

import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

from rtc_server.web.api.openapi import openapi_routes
from rtc_server.web.api.routes import OPERATIONS
from rtc_server.web.health import health_routes
from rtc_server.web.pages import page_routes

STATIC = Path(__file__).parents[2] / "static"


@pytest.fixture
def folder(tmp_path):
    static = tmp_path / "static"
    (static / "deep").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>page</title>")
    (static / "check.html").write_text("<!doctype html><title>check</title>")
    (static / "deep" / "learner.html").write_text("<!doctype html><title>learner</title>")
    (static / "page.js").write_text("export const page = 1;")
    (static / "deep" / "page.css").write_text("p { color: red }")
    (static / "secret.py").write_text("SECRET = 1")
    (static / ".hidden.js").write_text("hidden")
    (tmp_path / "outside.js").write_text("outside")
    (static / "link.js").symlink_to(tmp_path / "outside.js")
    return static


@pytest.fixture
async def client(serve, folder):
    return await serve([*page_routes(folder), *health_routes(lambda: False, lambda: None)])


@pytest.mark.parametrize(("path", "title"), [("/", "page"), ("/check", "check"), ("/deep/learner/7", "learner")])
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


@pytest.fixture
def linked(folder):
    (folder / "index.html").write_text('<script type="module" src="static/page.js"></script><a href="check">x</a>')
    (folder / "page.js").write_text(
        'import { a } from "./deep/a.js";\nimport "./b.js";\n/** @type {import("./b.js").B} */\nlet s = "from ./b.js";'
    )
    (folder / "deep" / "a.js").write_text('export {\n  b,\n} from "../b.js";\nexport * from "./c.js";')
    (folder / "deep" / "c.js").write_text("")
    (folder / "b.js").write_text("")
    return folder


async def version(client) -> str:
    found = re.search(r'src="static/page\.js\?v=(\w+)"', await (await client.get("/")).text())
    assert found
    return found[1]


async def test_what_a_page_loads_is_cached_for_a_year_by_its_version(serve, linked):
    client = await serve(page_routes(linked))
    v = await version(client)

    page = await client.get("/")
    module = await client.get(f"/static/page.js?v={v}")
    deeper = await client.get(f"/static/deep/a.js?v={v}")

    assert page.headers["Cache-Control"] == "no-cache"
    assert module.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    text = await module.text()
    assert f'from "./deep/a.js?v={v}";' in text
    assert f'import "./b.js?v={v}";' in text
    assert text.count("?v=") == 2, "comments and strings stay as they are"
    assert (await deeper.text()).count(f'?v={v}";') == 2
    assert 'href="check"' in await page.text()


async def test_a_page_in_a_folder_finds_the_same_files(serve, linked):
    (linked / "deep" / "learner.html").write_text('<link rel="stylesheet" href="../../static/deep/page.css">')
    client = await serve(page_routes(linked))
    v = await version(client)

    assert f'href="../../static/deep/page.css?v={v}"' in await (await client.get("/deep/learner/7")).text()


@pytest.mark.parametrize("query", ["", "?v=", "?v=another", "?w=1"])
async def test_an_address_without_this_version_is_asked_for_anew(serve, linked, query):
    client = await serve(page_routes(linked))

    assert (await client.get(f"/static/page.js{query}")).headers["Cache-Control"] == "no-cache"


async def test_any_change_of_a_file_is_another_version(serve, linked):
    before = await version(await serve(page_routes(linked)))
    (linked / "deep" / "c.js").write_text("export const c = 2;")

    assert await version(await serve(page_routes(linked))) != before


async def test_a_page_that_is_known_is_not_sent_again(client):
    first = await client.get("/")
    again = await client.get("/", headers={"If-None-Match": f'"x", W/{first.headers["ETag"]}'})

    assert again.status == 304
    assert again.headers["ETag"] == first.headers["ETag"]
    assert "frame-ancestors 'none'" in again.headers["Content-Security-Policy"]
    assert await again.read() == b""


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
    response = await (await serve(health_routes(lambda: True, lambda: None))).get("/healthz")

    assert response.status == 200
    assert await response.json() == {"status": "ok", "spool": "cannot be written"}


async def test_our_own_pages_need_nothing_that_the_policy_forbids(serve):
    """No inline script or style, no other origin."""
    client = await serve([*page_routes(STATIC), *openapi_routes(OPERATIONS)])

    names = {"index.html": "/", "check.html": "/check", "class.html": "/class", "me.html": "/me"}
    names["class/learner.html"] = "/class/learner/7"
    for page in STATIC.rglob("*.html"):
        name = names[page.relative_to(STATIC).as_posix()]
        text = await (await client.get(name)).text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|=.javascript:", text, re.IGNORECASE)
        for address in re.findall(r'\b(?:src|href)="([^"]+)"', text):
            assert not re.match(r"[a-z]+:|//", address, re.IGNORECASE)
            if not address.startswith("#"):
                assert (await client.get(urljoin(name, address))).status == 200
