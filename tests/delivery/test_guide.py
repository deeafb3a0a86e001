"""docs/webhooks.md: the event that it shows is one that is sent, and each example tells ours from another's."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import playwright
import pytest
from standardwebhooks.webhooks import Webhook

from rtc_server.delivery import backoff, delivery
from rtc_server.delivery.webhook import body_of
from rtc_server.event import SEND_WITHIN_S, Event, EventType, SinkName
from rtc_server.focus.state import Totals
from rtc_server.learner import Learner
from rtc_server.store.outbox.outbox import _told
from rtc_server.store.own_row import own_columns
from tests.delivery.receivers import SECRET
from tests.store.records import record

GUIDE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
NODE = Path(playwright.__file__).parent / "driver" / "node"
BODY = '{"type":"session.ended","data":{"user_id":7,"name":"Señor \\u00d1"}}'

READ = {
    "php": "$a = json_decode(stream_get_contents(STDIN)); echo json_encode(rtc_event(...$a));",
    "python": "import sys; print(json.dumps(rtc_event(*json.load(sys.stdin))))",
    "javascript": "console.log(JSON.stringify(rtcEvent(...JSON.parse(require('fs').readFileSync(0, 'utf8')))));",
}


def example(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.+?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    return str(found)


def program(language: str, folder: Path) -> list[str | Path]:
    source = folder / "example"
    source.write_text(f"{example(language)}\n{READ[language]}")
    if language == "php":
        php = shutil.which("php")
        assert php is not None, "PHP is missing: scripts/install-test-packages.sh installs it"
        return [php, source]
    return [sys.executable if language == "python" else NODE, source]


def signed(body: str = BODY, secret: str = SECRET, at: float | None = None) -> list[str]:
    when = datetime.fromtimestamp(at or time.time(), UTC)
    signature = Webhook(secret).sign("an id", when, body)
    return [body, "an id", str(int(when.timestamp())), signature, SECRET]


@pytest.mark.parametrize("language", READ)
def test_each_example_takes_what_is_ours_and_nothing_else(language: str, tmp_path: Path) -> None:
    def read(arguments: list[str]) -> Any:
        command = program(language, tmp_path)
        done = subprocess.run(command, input=json.dumps(arguments), capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    ours = signed()
    assert read(ours) == json.loads(BODY)
    assert read([*ours[:3], f"v1,AAAA {ours[3]}", SECRET]) == json.loads(BODY), "while the secret is changed"
    changes: list[Callable[[], list[str]]] = [
        lambda: [BODY.replace("7", "8"), *ours[1:]],
        lambda: [BODY, "another id", *ours[2:]],
        lambda: signed(secret="whsec_" + "bm90IHRoZSBzZWNyZXQgb2YgdGhlIHRlc3RzIQ=="),
        lambda: signed(at=time.time() - 600),
        lambda: [*ours[:3], "", SECRET],
    ]
    assert [read(change()) for change in changes] == [None] * len(changes)


def test_the_event_that_is_shown_is_one_that_is_sent() -> None:
    shown = json.loads(example("json"))
    data = shown["data"]
    started = datetime.fromisoformat(data["started_at"])
    ended = datetime.fromisoformat(shown["timestamp"])
    assert timedelta(0) < ended - started < timedelta(hours=1)
    one = replace(
        record(data["focus_session_id"], learner=Learner(7, 3, 2), end_reason="stopped"),
        started_at=started,
        recorded_at=ended,
        totals=Totals(data["focused_s"], data["unfocused_s"], data["unknown_s"]),
    )
    event = Event(1, "an id", SinkName.WEBHOOK, EventType.ENDED, ended, _told(own_columns(one)), 1, False)
    assert json.loads(body_of(event)) == shown


def test_it_names_every_event_and_the_figures_are_those_of_the_code() -> None:
    named = set(re.findall(r"^\| `(\w+\.\w+)` \|", GUIDE, re.MULTILINE))
    assert named == set(EventType)
    assert f"within {SEND_WITHIN_S:g} s" in GUIDE
    assert f"after {backoff.MOST_ATTEMPTS} attempts" in GUIDE
    assert backoff.LONGEST_S == 3 * 3600
    assert "up to 3 h" in GUIDE
    assert delivery.AT_ONCE == 8
    assert "At most eight events" in GUIDE
