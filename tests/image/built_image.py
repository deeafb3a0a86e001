"""The image as `scripts/build-image.sh` builds it, and commands run in it as its own configuration says."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/image"


def buildah(*arguments: str | Path) -> str:
    """What it prints. Raises CalledProcessError."""
    return subprocess.run(_command(*arguments), stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def _command(*arguments: str | Path) -> list[str | Path]:
    return ["buildah", "--root", FOLDER / "images", "--runroot", FOLDER / "run", *arguments]


class Container:
    """A container of the image. Its network is the host's."""

    def __init__(self, name: str, root: Path) -> None:
        self._name = name
        self.root = root
        """Its file system, as seen from here."""
        image = json.loads(buildah("inspect", "--type", "image", "rtc-server"))
        self.config: dict[str, Any] = image["Docker"]["config"]

    def command(self, *arguments: str, **environment: str) -> list[str | Path]:
        """The command line that runs `arguments` in it, as the image's user and in its folder."""
        variables = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        return _command("run", "--isolation", "chroot", "--network", "host", *variables, self._name, "--", *arguments)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, **environment), capture_output=True, text=True, check=False, timeout=60
        )

    def size_mb(self) -> float:
        return _size_mb(self.root)

    def installed_mb(self) -> float:
        """What the Dockerfile adds to its base."""
        return _size_mb(self.root / "opt")


def _size_mb(folder: Path) -> float:
    files = (Path(parent) / name for parent, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_size for file in files if not file.is_symlink()) / 1e6


@contextmanager
def container() -> Iterator[Container]:
    subprocess.run([ROOT / "scripts/build-image.sh", FOLDER], stdout=subprocess.DEVNULL, check=True)
    name = buildah("from", "--pull-never", "rtc-server")
    try:
        yield Container(name, Path(buildah("mount", name)))
    finally:
        buildah("rm", name)
        # The storage stays mounted upon itself, and the container at times too: `make clean` could not remove it.
        mounted = [one.mountpoint for one in psutil.disk_partitions(all=True)]
        left = [mountpoint for mountpoint in mounted if Path(mountpoint).is_relative_to(FOLDER)]
        for mountpoint in sorted(left, reverse=True):
            subprocess.run(["umount", mountpoint], check=True)
