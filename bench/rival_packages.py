"""The rivals' packages: the dependency group `bench`, in a place of its own beside this project's packages.

fastrtc wants older Pillow and pydantic than the lock has; they are put before the locked ones for the rivals
alone, and everything else, MediaPipe and aiortc among it, is the same for all.
"""

import site
import subprocess
import sys
import tomllib
from pathlib import Path

from bench.processes import ROOT

FOLDER = Path(sys.prefix) / "bench-rivals"


def rival_python() -> str:
    """Interpreter with the rivals' packages, installed when they are not there yet. Raises CalledProcessError."""
    python = FOLDER / "bin" / "python"
    done = FOLDER / "installed"
    wanted = "\n".join(_group())
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
        ours = (
            FOLDER / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages" / "ours.pth"
        )
        ours.write_text("\n".join(site.getsitepackages()) + "\n")
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", "install"]
        subprocess.run([*pip, *_group(), "numpy<2", "aiortc==1.16.0"], check=True)
        done.write_text(wanted)
    return str(python)


def _group() -> list[str]:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return [requirement for requirement in groups["bench"] if isinstance(requirement, str)]


def rival_versions() -> str:
    """What is measured, as in "fastrtc 0.0.34, Flask-SocketIO 5.5.1"."""
    names = ("aiortc", "fastrtc", "flask-socketio", "mediapipe")
    program = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    said = subprocess.run([rival_python(), "-c", program, *names], check=True, capture_output=True, text=True)
    return ", ".join(f"{name} {number}" for name, number in zip(names, said.stdout.split(), strict=True))
