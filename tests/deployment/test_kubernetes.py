"""deploy/kubernetes against the schemas of Kubernetes, and against what the server does. No cluster has run it."""

import json
import re
import shutil
import subprocess
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from rtc_server.commands import turn_config
from rtc_server.composition.workers import worker_commands
from rtc_server.metrics.measurements import MEASUREMENTS
from rtc_server.settings import Settings
from tests.deployment import dockerfile
from tests.deployment.test_compose import SERVICES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
OLDEST = "1.32"
"""The first that has everything that is used here without being asked for."""

KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS: list[dict[str, Any]] = [
    item for name in KUSTOMIZATION["resources"] for item in yaml.safe_load_all((FOLDER / name).read_text())
]
BY_KIND = {(item["kind"], item["metadata"]["name"]): item for item in OBJECTS}
WORKLOADS = [item for item in OBJECTS if item["kind"] in {"Deployment", "StatefulSet"}]
SERVER = BY_KIND["StatefulSet", "rtc-server"]["spec"]["template"]["spec"]
(CONTAINER,) = SERVER["containers"]
CONFIGURED: dict[str, str] = BY_KIND["ConfigMap", "rtc-server"]["data"]
SECRETS = {"rtc_token_secret", "rtc_turn_secret", "rtc_database_url", "rtc_redis_url", "rtc_fleet_secret"}


def name_of(item: dict[str, Any]) -> str:
    return f"{item['kind']}-{item['metadata']['name']}"


def containers_of(item: dict[str, Any]) -> list[dict[str, Any]]:
    pod = item["spec"]["template"]["spec"]
    return [*pod.get("initContainers", ()), *pod["containers"]]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """As a server in the cluster reads them; the Secret as Kubernetes mounts it, with links."""
    for name, value in CONFIGURED.items():
        monkeypatch.setenv(name, value)
    subprocess.run(["sh", ROOT / "deploy/make-secrets.sh", tmp_path / "..2026"], check=True)
    (tmp_path / "..data").symlink_to("..2026")
    for name in SECRETS:
        (tmp_path / name).symlink_to(f"..data/{name}")
    return Settings(_env_file=None, _secrets_dir=tmp_path)


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("item", OBJECTS, ids=name_of)
def test_each_object_is_valid(item: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(item, version, strict=True)


def test_the_schemas_find_mistakes() -> None:
    wrong = json.loads(json.dumps(BY_KIND["StatefulSet", "rtc-server"]))
    wrong["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["second"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, OLDEST, strict=True)


def test_every_file_is_applied_to_one_namespace() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} == {*KUSTOMIZATION["resources"], "kustomization.yaml"}
    spaces = {item["metadata"].get("namespace") for item in OBJECTS if item["kind"] != "Namespace"}
    assert spaces == {KUSTOMIZATION["namespace"]}


@pytest.mark.parametrize("item", WORKLOADS, ids=name_of)
def test_every_container_is_hardened(item: dict[str, Any]) -> None:
    pod = item["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers_of(item):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"]["drop"] == ["ALL"]
        assert re.fullmatch(r"[\w./-]+:\d+\.\d+(\.\d+)?", container["image"])


@pytest.mark.parametrize("item", WORKLOADS, ids=name_of)
def test_what_is_named_exists(item: dict[str, Any]) -> None:
    pod = item["spec"]["template"]["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates", ())}
    for container in containers_of(item):
        assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes
        assert all(("ConfigMap", source["configMapRef"]["name"]) in BY_KIND for source in container.get("envFrom", ()))
        ports = {port["name"] for port in container.get("ports", ())}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            how = container.get(probe, {})
            if "httpGet" in how or "tcpSocket" in how:
                assert how.get("httpGet", how.get("tcpSocket"))["port"] in ports
    labels = item["spec"]["template"]["metadata"]["labels"]
    assert item["spec"]["selector"]["matchLabels"] == labels


def test_services_budgets_and_scaling_find_the_pods() -> None:
    labels = [item["spec"]["template"]["metadata"]["labels"] for item in WORKLOADS]
    for kind in ("Service", "PodDisruptionBudget"):
        for item in OBJECTS:
            if item["kind"] == kind:
                selector = item["spec"]["selector"]
                assert selector.get("matchLabels", selector) in labels
    target = BY_KIND["HorizontalPodAutoscaler", "rtc-server"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) in BY_KIND
    assert "replicas" not in BY_KIND["StatefulSet", "rtc-server"]["spec"], "each apply would undo the scaling"
    (rule,) = BY_KIND["Ingress", "rtc-server"]["spec"]["rules"]
    service = rule["http"]["paths"][0]["backend"]["service"]
    ports = BY_KIND["Service", service["name"]]["spec"]["ports"]
    assert service["port"]["name"] in {port["name"] for port in ports}
    assert ports[0]["targetPort"] in {port["name"] for port in CONTAINER["ports"]}


def test_the_settings_are_some_that_the_server_has_and_enough_for_every_worker(settings: Settings) -> None:
    named = {*CONFIGURED, *(variable["name"] for variable in CONTAINER["env"])}
    assert {name.removeprefix("RTC_").lower() for name in named} <= set(Settings.model_fields)
    assert not [name for name in named if "SECRET" in name or name.endswith("DATABASE_URL")]
    commands = worker_commands(settings, settings.workers, 8080)
    ports = {port["containerPort"]: port for port in CONTAINER["ports"]}
    assert {int(command.environment["RTC_METRICS_PORT"]) for command in commands} | {8080} == set(ports)
    assert all(port["hostPort"] == number for number, port in ports.items())
    private = {int(command.environment["RTC_PRIVATE_PORT"]) for command in commands}
    assert not private & set(ports)
    assert CONTAINER["resources"]["requests"]["cpu"] == str(settings.workers * settings.processors)


def test_the_image_is_the_one_that_is_built_here() -> None:
    _, final = dockerfile.read(ROOT / "Dockerfile")
    security = SERVER["securityContext"]
    assert final.one("USER").text == f"{security['runAsUser']}:{security['runAsGroup']}"
    state = next(mount for mount in CONTAINER["volumeMounts"] if mount["name"] == "state")
    assert state["mountPath"] == final.one("WORKDIR").text
    assert dockerfile.environment(final)["RTC_PORT"] == "8080"


def test_there_is_time_to_stop_in_good_order(settings: Settings) -> None:
    before = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert SERVER["terminationGracePeriodSeconds"] >= before + settings.drain_timeout + 10
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_metric_that_scales_is_one_that_prometheus_gets(tmp_path: Path) -> None:
    (metric,) = BY_KIND["HorizontalPodAutoscaler", "rtc-server"]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert name in {measurement.exposed_name for measurement in MEASUREMENTS}
    (rule,) = yaml.safe_load((ROOT / "deploy/prometheus/adapter.yaml").read_text())["rules"]["custom"]
    assert rule["seriesQuery"].startswith(name + "{")
    asked = rule["metricsQuery"].replace("<<.Series>>", name)
    asked = asked.replace("<<.LabelMatchers>>", 'namespace="rtc-server",pod=~"a|b"').replace("<<.GroupBy>>", "pod")
    series = [
        {"series": f'{name}{{namespace="rtc-server",pod="{pod}",instance="{instance}"}}', "values": value}
        for pod, instance, value in (("a", "1", "0.2"), ("a", "2", "0.6"), ("b", "3", "0.9"))
    ]
    expected = [{"labels": f'{{pod="{pod}"}}', "value": value} for pod, value in (("a", 0.4), ("b", 0.9))]
    test = {"input_series": series, "promql_expr_test": [{"expr": asked, "eval_time": "0s", "exp_samples": expected}]}
    (tmp_path / "test.yaml").write_text(json.dumps({"tests": [test]}))
    promtool("test", "rules", tmp_path / "test.yaml")


def test_prometheus_understands_how_it_is_to_read_the_pods(tmp_path: Path) -> None:
    """Debian's Prometheus cannot ask Kubernetes: here it is told of one pod, with the labels that Kubernetes gives."""
    written = yaml.safe_load((ROOT / "deploy/prometheus/kubernetes.yaml").read_text())
    (job,) = written["scrape_configs"]
    assert job["job_name"] == "rtc-server", "the alerts ask for it"
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"names": ["rtc-server"]}}]
    job["static_configs"] = [{"targets": ["127.0.0.1:9464"], "labels": {"__meta_kubernetes_pod_name": "a"}}]
    written["rule_files"] = [str(ROOT / "deploy/prometheus/alerts.yaml")]
    (tmp_path / "prometheus.yaml").write_text(json.dumps(written))
    promtool("check", "config", tmp_path / "prometheus.yaml")
    keep = job["relabel_configs"][0]
    kept = {port["name"] for port in CONTAINER["ports"] if re.fullmatch(keep["regex"], port["name"])}
    assert len(kept) == int(CONFIGURED["RTC_WORKERS"])


def promtool(*arguments: str | Path) -> None:
    program = shutil.which("promtool")
    assert program is not None, "promtool is missing: scripts/install-test-packages.sh installs it"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_relay_is_configured_for_all_servers_at_once(settings: Settings) -> None:
    relay = BY_KIND["Deployment", "relay"]["spec"]["template"]["spec"]
    (configuration,) = relay["initContainers"]
    (coturn,) = relay["containers"]
    assert coturn["image"] == SERVICES["relay"]["image"]
    assert coturn["args"][-1] in SERVICES["relay"]["command"]
    most = BY_KIND["HorizontalPodAutoscaler", "rtc-server"]["spec"]["maxReplicas"]
    (of_all,) = configuration["env"]
    assert of_all == {"name": "RTC_MAX_SESSIONS", "value": str(most * settings.max_sessions)}
    parser = ArgumentParser()
    turn_config.add_arguments(parser)
    options = parser.parse_args(configuration["args"][1:])
    made = turn_config.relay_of(settings.model_copy(update={"max_sessions": int(of_all["value"])}), options)
    assert made.total_quota >= most * settings.workers * settings.max_sessions
    assert settings.udp_ports is not None
    assert settings.udp_ports.last < made.relay_ports.first


def test_the_directory_is_that_of_compose() -> None:
    (valkey,) = BY_KIND["Deployment", "directory"]["spec"]["template"]["spec"]["containers"]
    compose = SERVICES["directory"]
    assert valkey["image"] == compose["image"]
    assert valkey["command"] == [part.replace("$$", "$") for part in compose["command"]]
