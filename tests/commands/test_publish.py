import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rtc_server.commands import publish
from rtc_server.errors import SettingsError
from rtc_server.settings import Settings
from tests.publisher.clips import write_video
from tests.publisher.endpoint import Endpoint, serving

SECRET = "a secret of the tests, 32 bytes or more"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "bars.mp4")


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with serving() as endpoint:
        yield endpoint


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    publish.add_arguments(parser)
    return parser.parse_args(arguments)


async def publishing(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from rtc_server.commands import publish; from tests.commands.test_publish import parsed;"
        "from rtc_server.settings import Settings; sys.exit(publish.run(parsed(*sys.argv[1:]), Settings()))",
        *arguments,
        env={**os.environ, "RTC_TOKEN_SECRET": SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def test_json_is_all_there_is_on_stdout(endpoint: Endpoint, video: Path) -> None:
    process = await publishing(str(video), "--url", endpoint.url, "--json", "--user", "40", "--sessions", "2")
    out, err = await process.communicate()

    assert process.returncode == 0, err
    summary = json.loads(out)
    assert summary["clip"] == str(video)
    assert [learner["user_id"] for learner in summary["learners"]] == [40, 41]
    assert [learner["frames_sent"] for learner in summary["learners"]] == [15, 15]
    assert {learner["end_reason"] for learner in summary["learners"]} == {"stopped"}
    assert SECRET not in out.decode() + err.decode()
    assert len(set(endpoint.tokens)) == 2


async def test_ctrl_c_ends_with_the_summary(endpoint: Endpoint, video: Path) -> None:
    process = await publishing(str(video), "--url", endpoint.url, "--loop")
    await asyncio.wait_for(endpoint.frames_came.wait(), 20)
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()

    assert process.returncode == 0, err
    assert out.decode().startswith("Learner 1: ")
    assert "= " in out.decode()
    assert endpoint.deleted == 1


async def test_a_token_is_given_or_left_to_the_demo_server(endpoint: Endpoint, video: Path) -> None:
    given = parsed(str(video), "--url", endpoint.url, "--token", "given")
    without = parsed(str(video), "--url", endpoint.url)
    settings = Settings(_env_file=None, token_secret=None)

    assert [sender.token for sender in publish._senders(given, settings)] == ["given"]
    assert publish._senders(without, settings) == [None]


def test_one_token_is_one_learner(video: Path) -> None:
    with pytest.raises(SettingsError, match="leave out --sessions"):
        publish.run(parsed(str(video), "--url", "http://x/whip", "--token", "t", "--sessions", "2"), Settings())


def test_not_a_video_is_one_line_and_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no video")

    assert publish.run(parsed(str(path), "--url", "http://x/whip", "--json"), Settings(_env_file=None)) == 2

    printed = capsys.readouterr()
    assert printed.err == f"rtc-server: {path} is not a video that can be read.\n"
    assert printed.out == ""


@pytest.mark.parametrize("option", [("--sessions", "0"), ("--duration", "-1"), ("--duration", "nan"), ("--user", "x")])
def test_options_that_make_no_sense(option: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parsed("clip.mp4", "--url", "http://x/whip", *option)

    assert raised.value.code == 2
    assert option[0] in capsys.readouterr().err
