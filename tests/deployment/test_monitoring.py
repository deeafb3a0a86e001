"""deploy/prometheus and the dashboard under a real Prometheus, which reads a real server with learners in it."""

import json
import math
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp.test_utils import unused_port

from rtc_server.metrics.measurements import MEASUREMENTS, Kind
from tests.camera import write_y4m
from tests.databases import PrivateMariaDb

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())
RULES = [
    rule for group in yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES}
PANELS = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
ABOUT_THE_MACHINE = {"RtcServerSlow", "RtcServerOverloaded", "RtcServerDatabaseSlow", "RtcServerSessionsRefused"}
"""They may be true for a moment where the tests' own machine is busy."""

SECRET = "a secret of the tests, long enough for HS256"
LEARNERS = 3
WINDOW = "30s"
"""In place of Grafana's, for a Prometheus that reads every second."""
WITHIN_S = 60.0
SELECTOR = re.compile(r"\b((?:rtc_server|process)_\w+|up)(\{[^}]*\})?")


@dataclass(frozen=True)
class Watch:
    """A Prometheus that reads a server."""

    url: str

    def api(self, path: str, **query: str) -> Any:
        """Raises URLError while it starts, and AssertionError with what Prometheus says of a wrong expression."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}") as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                raise  # it is just starting
            raise AssertionError(f"{query}: {error.read().decode()}") from error

    def values(self, expression: str) -> list[float]:
        return [float(found["value"][1]) for found in self.api("query", query=expression)["result"]]


@contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


def wait_for(happened: Callable[[], object], what: str, log: Path) -> None:
    """Nothing tells of it: neither program has an event for another one."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            if happened():
                return
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.2)
    pytest.fail(f"never happened: {what}\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory, mariadb_server: PrivateMariaDb) -> Iterator[Watch]:
    """With learners in the server for as long as the tests of this module take."""
    folder = tmp_path_factory.mktemp("watched")
    clip = write_y4m(folder / "face.y4m")
    server_port, metrics_port, prometheus_port = unused_port(), unused_port(), unused_port()
    settings = {
        "PATH": "/usr/bin:/bin",
        "RTC_TOKEN_SECRET": SECRET,
        "RTC_DATABASE_URL": mariadb_server.new_database(),
        "RTC_METRICS_PORT": str(metrics_port),
    }
    configured = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())
    configured["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configured["rule_files"] = [str(PROMETHEUS / name) for name in configured["rule_files"]]
    configured["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{metrics_port}"]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configured))
    rtc_server = [sys.executable, "-m", "rtc_server"]
    with ExitStack() as programs:
        log = folder / "server.log"
        serve = [*rtc_server, "serve", "--port", str(server_port)]
        programs.enter_context(running(serve, log, env=settings, cwd=folder))
        wait_for(lambda: b"rtc-server 0" in log.read_bytes(), "the server listens", log)
        prometheus = [
            program("prometheus"),
            f"--config.file={folder}/prometheus.yaml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{prometheus_port}",
        ]
        programs.enter_context(running(prometheus, folder / "prometheus.log", cwd=folder))
        url = f"http://127.0.0.1:{server_port}/whip"
        publish = [*rtc_server, "publish", str(clip), "--url", url, "--sessions", str(LEARNERS), "--loop"]
        programs.enter_context(running(publish, folder / "publish.log", env=settings, cwd=folder))
        watch = Watch(f"http://127.0.0.1:{prometheus_port}")
        for what in (
            f'rtc_server_peers{{state="connected"}} == {LEARNERS}',
            f"rate(rtc_server_frames_analysed_total[{WINDOW}]) > 0",
            f"rate(rtc_server_database_write_seconds_count[{WINDOW}]) > 0",
        ):
            wait_for(partial(watch.values, what), what, folder / "prometheus.log")
        yield watch


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: apt-get install prometheus")
    return found


def metrics_in(expression: str) -> set[str]:
    return {name for name, _ in SELECTOR.findall(expression)}


# -- the dashboard


def as_grafana_asks(expression: str) -> str:
    return expression.replace("$__rate_interval", WINDOW).replace("$instance", ".*")


@pytest.mark.parametrize(("title", "expression"), PANELS, ids=[f"{title}-{n}" for n, (title, _) in enumerate(PANELS)])
def test_every_panel_shows_something(watch: Watch, title: str, expression: str) -> None:
    values = watch.values(as_grafana_asks(expression))
    assert values, f"{title}: {expression}"
    assert all(math.isfinite(value) and value >= 0 for value in values), values


def test_the_dashboard_is_one_that_grafana_can_draw() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    taken = [
        (row, column)
        for place in (panel["gridPos"] for panel in panels)
        for row in range(place["y"], place["y"] + place["h"])
        for column in range(place["x"], place["x"] + place["w"])
    ]
    assert len(taken) == len(set(taken)), "two panels lie on each other"
    assert max(column for _, column in taken) < 24
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = {name for name in re.findall(r"\$\{?(\w+)", json.dumps(panels)) if not name.startswith("__")}
    assert used == variables
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in panels)


def test_the_dashboard_shows_every_metric() -> None:
    shown = set().union(*(metrics_in(expression) for _, expression in PANELS))
    exposed = {one.exposed_name + ("_bucket" if one.kind is Kind.HISTOGRAM else "") for one in MEASUREMENTS}
    assert exposed <= shown


# -- the alerts


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_about_what_is_measured(watch: Watch, name: str) -> None:
    selectors = SELECTOR.findall(ALERTS[name]["expr"])
    assert selectors
    for metric, labels in selectors:
        assert watch.values(f"{metric}{labels}"), f"nothing like {metric}{labels} is measured"


@pytest.mark.parametrize("name", sorted(ALERTS.keys() - ABOUT_THE_MACHINE))
def test_while_all_is_well_an_alert_is_silent(watch: Watch, name: str) -> None:
    assert watch.values(ALERTS[name]["expr"]) == []


def test_prometheus_takes_the_rules_and_finds_no_fault_in_what_they_give(watch: Watch) -> None:
    wait_for(
        lambda: all(rule["health"] == "ok" for group in watch.api("rules")["groups"] for rule in group["rules"]),
        "all rules were tried",
        PROMETHEUS / "alerts.yaml",
    )
    (group,) = watch.api("rules")["groups"]
    assert [rule["name"] for rule in group["rules"]] == list(ALERTS)
    (target,) = watch.api("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")


def test_each_alert_speaks_when_it_should_and_is_silent_while_all_is_well() -> None:
    said = subprocess.run(
        [program("promtool"), "test", "rules", PROMETHEUS / "alerts_test.yaml"], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout + said.stderr
    cases = yaml.safe_load((PROMETHEUS / "alerts_test.yaml").read_text())["tests"]
    expected = [test for case in cases for test in case["alert_rule_test"]]
    assert {test["alertname"] for test in expected if test["exp_alerts"]} == set(ALERTS)
    assert {test["alertname"] for test in expected if not test["exp_alerts"]} == set(ALERTS)


def test_prometheus_takes_the_example_as_it_stands() -> None:
    said = subprocess.run(
        [program("promtool"), "check", "config", PROMETHEUS / "prometheus.yaml"], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_document_says_what_to_do_for_each_alert() -> None:
    document = (ROOT / "docs/operations.md").read_text()
    rows = re.findall(r"^\| `(RtcServer\w+)` \| (.+) \| (.+) \|$", document, re.MULTILINE)
    assert [name for name, *_ in rows] == list(ALERTS)
    assert {rule["labels"]["severity"] for rule in RULES} == {"critical", "warning"}
