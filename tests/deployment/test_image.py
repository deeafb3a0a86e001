"""The image's rules, as read in the Dockerfile. tests/image builds it and runs it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rtc_server.settings import Settings
from tests.deployment import dockerfile

ROOT = Path(__file__).parents[2]
BUILD, FINAL = dockerfile.read(ROOT / "Dockerfile")


def test_both_stages_have_the_same_pinned_base() -> None:
    assert BUILD.base == FINAL.base
    assert not BUILD.base.endswith(":latest")
    assert ":" in BUILD.base


def test_what_is_installed_is_locked_with_hashes() -> None:
    for instruction in BUILD.all("RUN"):
        for command in instruction.text.split("&&"):
            if "pip" in command.split() and "install" in command.split():
                assert "--require-hashes" in command or "--no-index" in command
                assert "--no-deps" in command


def test_the_last_stage_runs_nothing_and_takes_only_what_was_built() -> None:
    assert FINAL.all("RUN") == FINAL.all("ADD") == BUILD.all("ADD") == []
    assert all(copy.flags.get("from") == "build" for copy in FINAL.all("COPY"))


def test_it_is_not_root() -> None:
    user, group = FINAL.one("USER").text.split(":")
    assert int(user) > 0
    assert int(group) > 0
    state = next(copy for copy in FINAL.all("COPY") if copy.words[-1] == FINAL.one("WORKDIR").text)
    assert state.flags["chown"] == f"{user}:{group}"


def test_what_is_written_by_default_is_written_into_the_state_folder() -> None:
    """Beside it everything is read-only (test_compose.py)."""
    assert not {"RTC_SPOOL", "RTC_DATABASE_URL"} & set(dockerfile.environment(FINAL))
    assert not Settings.model_fields["spool"].default.is_absolute()


def test_signals_reach_the_server_itself() -> None:
    assert FINAL.one("ENTRYPOINT").command == ["rtc-server"]
    assert FINAL.one("CMD").command == ["serve"]
    assert FINAL.one("STOPSIGNAL").text == "SIGTERM"


async def test_the_healthcheck_tells_a_server_that_answers_from_one_that_does_not(healthy_port: int) -> None:
    _, *arguments = FINAL.one("HEALTHCHECK").command
    for port, well in ((healthy_port, True), (9, False)):
        check = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env={"RTC_PORT": str(port)}, stderr=asyncio.subprocess.DEVNULL
        )
        assert (await check.wait() == 0) is well


@pytest.fixture
async def healthy_port() -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response()

    application = web.Application()
    application.router.add_get("/healthz", answer)
    async with TestServer(application) as server:
        assert server.port is not None
        yield server.port


def test_no_secret_is_in_the_image() -> None:
    named = {name for stage in (BUILD, FINAL) for name in dockerfile.environment(stage)}
    assert not [name for name in named if "SECRET" in name or "PASSWORD" in name or name == "RTC_DATABASE_URL"]
    assert not FINAL.all("ARG")


def test_the_build_sees_exactly_what_it_copies() -> None:
    copied = {name for copy in BUILD.all("COPY") for name in copy.words[:-1]}
    assert dockerfile.context(ROOT) == copied
