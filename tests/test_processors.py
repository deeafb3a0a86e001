"""How many processors this process may use: what the scheduler allows, and what a container's quota leaves of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rtc_server.processors import cpu_quotas, usable, usable_processors
from rtc_server.settings import Settings

V2 = "31 23 0:28 {root} {mount} rw,nosuid - cgroup2 cgroup rw,nsdelegate\n"
V1 = "32 23 0:29 {root} {mount} rw,nosuid - cgroup cgroup rw,cpuacct,cpu\n"
COUNTED_ON_ONE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from rtc_server.processors import usable_processors
from rtc_server.settings import Settings
print(usable_processors(), Settings(_env_file=None).max_sessions)
"""
OTHER = "33 23 0:30 / {mount} rw - cgroup cgroup rw,memory\n34 23 0:31 / /tmp rw - tmpfs tmpfs rw\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    folder.mkdir()
    return folder


def described(proc: Path, cgroup: str, mountinfo: str) -> list[float]:
    (proc / "cgroup").write_text(cgroup)
    (proc / "mountinfo").write_text(mountinfo)
    return cpu_quotas(proc)


def v2_limit(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(text)


def v1_limit(folder: Path, quota: int, period: int = 100_000) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu.cfs_period_us").write_text(f"{period}\n")


def test_a_quota_of_cgroup_v2_and_those_above_it(proc: Path, tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    v2_limit(mount / "a" / "b", "300000 100000\n")
    v2_limit(mount / "a", "100000 50000\n")

    assert described(proc, "0::/a/b\n", V2.format(root="/", mount=mount)) == [3.0, 2.0]


def test_a_container_sees_its_own_cgroup_as_the_root(proc: Path, tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    v2_limit(mount, "150000 100000\n")

    assert described(proc, "0::/\n", V2.format(root="/", mount=mount)) == [1.5]


def test_a_quota_of_cgroup_v1_in_a_mount_that_begins_at_the_container(proc: Path, tmp_path: Path) -> None:
    mount = tmp_path / "cpu"
    v1_limit(mount, 250_000)
    v1_limit(mount / "docker" / "1", 100_000)  # another's: outside of the mount's root this path means something else

    mountinfo = OTHER.format(mount=tmp_path) + V1.format(root="/docker/1", mount=mount)
    assert described(proc, "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n0::/\n", mountinfo) == [2.5]


def test_without_a_limit_there_is_no_quota(proc: Path, tmp_path: Path) -> None:
    v2_limit(tmp_path / "v2", "max 100000\n")
    v1_limit(tmp_path / "v1", -1)

    both = V2.format(root="/", mount=tmp_path / "v2") + V1.format(root="/", mount=tmp_path / "v1")
    assert described(proc, "4:cpu,cpuacct:/\n0::/\n", both) == []


@pytest.mark.parametrize("damaged", ["", "max", "x 100000", "100000 0", "100000", "-5 100000"])
def test_a_file_that_says_nothing_limits_nothing(proc: Path, tmp_path: Path, damaged: str) -> None:
    v2_limit(tmp_path, damaged)

    assert described(proc, "0::/\n", V2.format(root="/", mount=tmp_path)) == []


@pytest.mark.parametrize("text", ["", "\n", "0:", "nonsense\n31 23\n"])
def test_descriptions_of_another_kind_limit_nothing(proc: Path, text: str) -> None:
    assert described(proc, text, text) == []


def test_a_system_without_cgroups_limits_nothing(tmp_path: Path) -> None:
    assert cpu_quotas(tmp_path / "not here") == []


@pytest.mark.parametrize(
    ("online", "affinity", "quotas", "processors"),
    [
        (8, None, [], 8),
        (8, 8, [], 8),
        (8, 2, [], 2),
        (8, 8, [4.0, 3.0], 3),
        (8, 2, [4.0], 2),
        (8, 8, [2.9], 2),
        (8, 8, [0.25], 1),
        (None, None, [], 1),
    ],
)
def test_the_least_of_all_counts_and_never_less_than_one(
    online: int | None, affinity: int | None, quotas: list[float], processors: int
) -> None:
    assert usable(online, affinity, quotas) == processors


def test_a_process_that_may_use_one_processor_counts_one_everywhere() -> None:
    """Under the kernel's own affinity, as taskset sets it."""
    counted = subprocess.run(
        [sys.executable, "-c", COUNTED_ON_ONE],
        check=True,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("RTC_")},
    )

    assert counted.stdout.split() == ["1", "16"]


def test_the_default_number_of_sessions_follows_it() -> None:
    assert Settings(_env_file=None).max_sessions == 16 * usable_processors()
