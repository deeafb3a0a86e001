"""docs/integration.md: each example that signs a token is run, and the server takes what it made."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import playwright
import pytest
from aiohttp.test_utils import unused_port

from rtc_server.focus.policy import POLICIES
from rtc_server.learner import Grant, Learner
from rtc_server.web.access.auth import token_verifier
from tests.web.endpoints import AUDIENCE, SECRET

GUIDE = (Path(__file__).parents[2] / "docs" / "integration.md").read_text()
NODE = Path(playwright.__file__).parent / "driver" / "node"
"""Comes with Playwright, so it is where the tests are."""

MAY_SEE_MODULE = "<?php function may_see_module(int $user, int $module): bool { return $user === 7 && $module === 3; }"
LOG_IN = "<?php session_start(); $_SESSION['user_id'] = (int) $_GET['user'];"
"""Stand for what a platform has."""


def example(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.+?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    return str(found)


def run(*command: str | Path) -> str:
    environment = {"RTC_TOKEN_SECRET": SECRET, "PATH": os.environ["PATH"]}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


def python() -> str:
    return run(sys.executable, "-c", example("python") + "\nprint(rtc_token(7, 3, 2))")


def node() -> str:
    return run(NODE, "-e", example("javascript") + "\nconsole.log(rtcToken(7, 3, 2));")


async def granted(token: str) -> Grant:
    return await token_verifier(secrets=[SECRET], audience=AUDIENCE, policies=POLICIES).grant(f"Bearer {token}")


@pytest.mark.parametrize("sign", [python, node])
async def test_the_server_takes_the_token_that_the_example_signs(sign):
    assert (await granted(sign())).learner == Learner(7, 3, 2)


@contextlib.contextmanager
def php(folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, Path]]:
    """PHP's own web server over the example, as it stands in the guide; gives its address and its log."""
    (folder / "rtc-token.php").write_text(example("php"))
    (folder / "may-see-module.php").write_text(MAY_SEE_MODULE)
    (folder / "log-in.php").write_text(LOG_IN)
    program, address, log = shutil.which("php"), f"127.0.0.1:{unused_port()}", folder / "log"
    assert program is not None, "PHP is missing: scripts/install-test-packages.sh installs it"
    command = [program, "-d", f"session.save_path={folder}", "-S", address, "-t", folder]
    with log.open("w") as output, subprocess.Popen(command, stderr=output, env=environment) as process:
        try:
            yield f"http://{address}/", log
        finally:
            process.terminate()


@contextlib.asynccontextmanager
async def browser(url: str, user_id: int | None) -> AsyncIterator[aiohttp.ClientSession]:
    """Logged in, where a user is given."""
    async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http, asyncio.timeout(10):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                await http.get("/log-in.php", params={"user": user_id or 0})
                break
            await asyncio.sleep(0.02)  # nothing tells when it listens
        yield http


async def test_the_server_takes_the_token_that_the_php_example_signs(tmp_path):
    with php(tmp_path, {"RTC_TOKEN_SECRET": SECRET}) as (url, log):
        async with browser(url, user_id=7) as http:
            answer = await http.get("/rtc-token.php?module_id=3&section_id=2")
            assert answer.headers["Cache-Control"] == "no-store"
            token = await answer.text()
            without_section = await (await http.get("/rtc-token.php?module_id=3")).text()

        assert (await granted(token)).learner == Learner(7, 3, 2)
        assert (await granted(without_section)).learner == Learner(7, 3, None)
        assert "Warning" not in log.read_text()


@pytest.mark.parametrize(
    ("user_id", "query", "status"),
    [
        (None, "module_id=3", 401),
        (7, "module_id=4", 403),
        (8, "module_id=3", 403),
        (7, "", 403),
        (7, "module_id=x", 403),
    ],
    ids=["nobody", "a module not theirs", "a learner without modules", "no module", "nonsense"],
)
async def test_the_php_example_signs_only_what_a_learner_may_see(tmp_path, user_id, query, status):
    with php(tmp_path, {"RTC_TOKEN_SECRET": SECRET}) as (url, _):
        async with browser(url, user_id) as http:
            answer = await http.get(f"/rtc-token.php?{query}")

            assert (answer.status, await answer.text()) == (status, "")


async def test_the_php_example_signs_nothing_where_the_environment_is_empty(tmp_path):
    """As PHP-FPM starts it: an empty secret would sign, and every token would be refused."""
    with php(tmp_path, {}) as (url, log):
        async with browser(url, user_id=7) as http:
            answer = await http.get("/rtc-token.php?module_id=3")

            assert (answer.status, await answer.text()) == (500, "")
        assert "RTC_TOKEN_SECRET is not set for PHP" in log.read_text()
    assert "env[RTC_TOKEN_SECRET]" in example("ini")


def test_the_guide_names_every_policy():
    row = next(line for line in GUIDE.splitlines() if line.startswith("| `policy`"))

    assert set(re.findall(r"`(\w+)`", row)) - {"policy"} == set(POLICIES)
