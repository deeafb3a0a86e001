"""A share of a processor for a process: cgroups, version 1 or 2. Needs root."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

PERIOD_US = 10_000
"""Short, so that a process which has used up its share waits for milliseconds."""
_ROOTS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))
_numbers = count()


@contextmanager
def share_of_a_core(pid: int, share: float) -> Iterator[None]:
    """For the process and all of its threads, while it lives."""
    root = next(root for root in _ROOTS if root.is_dir())
    group = root / f"rtc-bench-{os.getpid()}-{next(_numbers)}"
    group.mkdir()
    try:
        quota_us = round(share * PERIOD_US)
        if (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        _leave(root, group)


def _leave(root: Path, group: Path) -> None:
    for pid in (group / "cgroup.procs").read_text().split():
        (root / "cgroup.procs").write_text(pid)
    group.rmdir()
