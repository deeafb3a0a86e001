"""What the page's own script takes for movement, run by Node."""

import subprocess
from pathlib import Path


def test_movement() -> None:
    ran = subprocess.run(
        ["node", "--test", "movement.test.mjs"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
