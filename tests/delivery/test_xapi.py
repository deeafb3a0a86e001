"""Statements to a real Learning Record Store (Ralph), which says whether they are xAPI."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from rtc_server.delivery.receiver import Receiver
from rtc_server.delivery.sink import Fate, Outcome
from rtc_server.delivery.xapi import PROFILE, VERBS, XapiSink, statement
from rtc_server.event import Event, EventType, SinkName
from tests.delivery.receivers import receiving

ROOT = Path(__file__).parents[2]
RALPH = ROOT / ".venv-lrs/bin/ralph"
USERS, PASSWORD = ("started", "ended", "nobody"), "a password of the tests"
"""Each with a folder of their own: into a file this store writes once only."""
HOME = "https://lms.example.org"
VERSION = {"X-Experience-API-Version": "1.0.3"}
START_WITHIN_S = 120.0
pytestmark = pytest.mark.timeout(240)  # the store takes long to start on a busy machine


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a store that keeps its statements in a file."""
    assert RALPH.exists(), "the Learning Record Store is missing: `make test-packages` installs it"
    folder = tmp_path_factory.mktemp("lrs")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "RALPH_APP_DIR": str(folder),
        "RALPH_AUTH_FILE": str(folder / "auth.json"),
        "RALPH_BACKENDS__LRS__FS__DEFAULT_DIRECTORY_PATH": str(folder),
        "RALPH_RUNSERVER_BACKEND": "fs",
    }
    account = ["-A", "rtc-server", "https://rtc.example.org", "-w"]
    command = [RALPH, "auth", "-u", USERS[0], "-p", PASSWORD, "-s", "all", *account]
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
    accounts = folder / "auth.json"
    (made,) = json.loads(accounts.read_text())
    for user in USERS:
        (folder / user).mkdir()
    accounts.write_text(json.dumps([made | {"username": user, "target": str(folder / user)} for user in USERS]))
    port, log = unused_port(), folder / "log"
    serve = [RALPH, "runserver", "-b", "fs", "-h", "127.0.0.1", "-p", str(port)]
    with (
        log.open("w") as output,
        subprocess.Popen(
            serve, env=environment, cwd=folder, stdout=output, stderr=output, start_new_session=True
        ) as process,
    ):
        try:
            deadline = time.monotonic() + START_WITHIN_S
            while not _answers(f"http://127.0.0.1:{port}/__heartbeat__"):
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the store did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.1)  # nothing tells when it listens
            yield f"http://127.0.0.1:{port}/xAPI"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)  # it has a process of its own below it


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def event(kind: EventType, **changes: Any) -> Event:
    ended = kind is EventType.ENDED
    data = {
        "focus_session_id": str(uuid4()),
        "user_id": 7,
        "module_id": 3,
        "section_id": 2,
        "policy": "reading/1",
        "session_type": "viewing",
        "started_at": "2026-11-27T09:00:00+00:00",
        "recorded_at": "2026-11-27T09:40:12.250000+00:00",
        "ended_at": "2026-11-27T09:40:12.250000+00:00" if ended else None,
        "end_reason": "stopped" if ended else None,
        "focused_s": 2101.42,
        "unfocused_s": 280.5,
        "unknown_s": 30.33,
        "multiple_faces_s": 0.0,
    } | changes
    occurred_at = datetime(2026, 11, 27, 9, 40, 12, 250000, UTC)
    return Event(1, str(uuid4()), SinkName.XAPI, kind, occurred_at, data, 1, False)


async def send(url: str, one: Event, user: str, *, password: str = PASSWORD) -> Outcome:
    receiver = Receiver(url, setting="RTC_XAPI_URL", allow_private=True)
    try:
        return await XapiSink(receiver, user=user, password=password, home_page=f"{HOME}/").send(one)
    finally:
        await receiver.close()


async def stored(url: str, user: str) -> list[dict[str, Any]]:
    async with (
        aiohttp.ClientSession(headers=VERSION | {"Authorization": aiohttp.encode_basic_auth(user, PASSWORD)}) as http,
        http.get(f"{url}/statements", params={"limit": "100"}) as answer,
    ):
        assert answer.status == 200
        found: list[dict[str, Any]] = (await answer.json())["statements"]
        return found


@pytest.mark.parametrize(
    ("user", "one"),
    [("started", event(EventType.STARTED)), ("ended", event(EventType.ENDED, section_id=None))],
    ids=["started", "ended"],
)
async def test_a_real_store_takes_a_statement_and_keeps_it_once(store: str, user: str, one: Event) -> None:
    for _ in range(3):
        assert (await send(store, one, user)).fate is Fate.DELIVERED
    (kept,) = await stored(store, user)
    made = statement(one, HOME)
    assert {name: kept[name] for name in made} == made


async def test_a_wrong_password_is_tried_again(store: str) -> None:
    outcome = await send(store, event(EventType.STARTED), "nobody", password="another")
    assert outcome == Outcome(Fate.AGAIN, "HTTP 401")


@pytest.mark.parametrize(("status", "fate"), [(409, Fate.DELIVERED), (400, Fate.DEAD), (500, Fate.AGAIN)])
async def test_what_a_store_answers(status: int, fate: Fate) -> None:
    async with receiving() as inbox:
        inbox.check = False
        inbox.answer = lambda _: web.Response(status=status)
        url = inbox.url.replace("/hook", "")
        assert (await send(url, event(EventType.ENDED), "anybody")).fate is fate
    assert inbox.requests == 1


def test_the_id_is_that_of_the_session_and_the_event() -> None:
    key = str(uuid4())
    one, again = (event(EventType.ENDED, focus_session_id=key) for _ in range(2))
    later = event(EventType.ENDED, focus_session_id=key, recorded_at="2026-11-27T09:41:00+00:00")
    start = event(EventType.STARTED, focus_session_id=key)
    assert statement(one, HOME)["id"] == statement(again, HOME)["id"]
    assert len({statement(some, HOME)["id"] for some in (one, later, start)}) == 3


def test_the_profile_says_what_is_sent() -> None:
    guide = (ROOT / "docs/xapi.md").read_text()
    (shown,) = re.findall(r"^```json\n(.+?)^```$", guide, re.DOTALL | re.MULTILINE)
    one = event(EventType.ENDED, focus_session_id="5f0c7c0e-5a0f-4a57-9d7b-0a4f6a1f7f53")
    made = statement(one, HOME)
    assert json.loads(shown) == made
    named = set(re.findall(rf"`({PROFILE}:[\w:-]+)`", guide))
    other = statement(event(EventType.STARTED, section_id=None), HOME)
    used = set(re.findall(rf"{PROFILE}:[\w:-]+", json.dumps([made, other])))
    assert named == used
    assert set(VERBS) == {EventType.STARTED, EventType.ENDED}
