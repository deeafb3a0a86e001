"""How many processors this process may use.

The least of three counts: all that are online, those that the scheduler allows (taskset, cpusets), and the CPU time
that a container's cgroups leave (cgroup v1 and v2). `os.cpu_count` knows only the first.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

_PROC = Path("/proc/self")


def usable_processors() -> int:
    """At least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return usable(os.cpu_count(), affinity, cpu_quotas(_PROC))


def usable(online: int | None, affinity: int | None, quotas: Sequence[float]) -> int:
    """The least of these counts, None being unknown; at least 1.

    quotas: in processors. A fraction is rounded down: what is left over serves the event loop.
    """
    counts = [float(count) for count in (online, affinity) if count is not None]
    return max(1, int(min([*counts, *quotas], default=1.0)))


def cpu_quotas(proc: Path) -> list[float]:
    """What each cgroup of a process, and each one above it, allows it, in processors. Empty where nothing is limited.

    proc: the process's folder under /proc.
    """
    try:
        groups = dict(_groups((proc / "cgroup").read_text()))
        mounts = list(_mounts((proc / "mountinfo").read_text()))
    except OSError:
        return []
    return [
        quota
        for kind, root, mount_point in mounts
        if kind in groups
        for folder in _upwards(mount_point, root, groups[kind])
        if (quota := _quota(folder)) is not None
    ]


def _groups(text: str) -> Iterator[tuple[str, PurePosixPath]]:
    """The cgroups of /proc/PID/cgroup that may limit CPU time (cgroups(7)), by the type of their file system."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers and path:
            yield "cgroup2", PurePosixPath(path)
        elif "cpu" in controllers.split(","):
            yield "cgroup", PurePosixPath(path)


def _mounts(text: str) -> Iterator[tuple[str, PurePosixPath, Path]]:
    """Type, root within the hierarchy, and mount point of each mount that may limit CPU time (proc(5), mountinfo)."""
    for line in text.splitlines():
        mount, _, system = line.partition(" - ")
        mount_fields, system_fields = mount.split(), system.split()
        if len(mount_fields) < 5 or len(system_fields) < 3:
            continue
        kind, options = system_fields[0], system_fields[2].split(",")
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options):
            yield kind, PurePosixPath(mount_fields[3]), Path(mount_fields[4])


def _upwards(mount_point: Path, root: PurePosixPath, group: PurePosixPath) -> Iterator[Path]:
    """The folder of a cgroup, and those of the cgroups above it, as far as they are mounted here."""
    inside = group.relative_to(root) if group.is_relative_to(root) else PurePosixPath()
    for part in (inside, *inside.parents):
        yield mount_point / part


def _quota(folder: Path) -> float | None:
    """In processors; None where this cgroup has no limit."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        processors = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max" is no number: no limit
        return None
    return processors if processors > 0 else None
