import subprocess
import sys
from pathlib import Path

import pytest

from bench import processes
from bench.processes import alone, cores, running

SERVER = """
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


async def test_a_server_runs_on_its_own_core_until_it_is_left() -> None:
    async with running([sys.executable, "-c", SERVER, "{port}"], "/whip") as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.url.endswith("/whip")
        assert server._process.cpu_affinity() == [cores()[0]]
        usage = server.usage()
        assert usage.cpu_s > 0
        assert usage.rss_bytes > 1_000_000
        process = server._process

    assert not process.is_running()


async def test_a_server_that_has_ended_uses_nothing_that_counts() -> None:
    async with running([sys.executable, "-c", SERVER, "{port}"], "/whip") as server:
        server._process.kill()
        server._process.wait()
        with pytest.raises(RuntimeError, match="ended"):
            server.usage()


async def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="no such luck"):
        async with running([sys.executable, "-c", "raise SystemExit('no such luck')"], "/"):
            pass


def test_two_benchmarks_do_not_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.tempfile, "gettempdir", lambda: str(tmp_path))
    program = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from bench.processes import alone\n"
        "with alone(): print('alone', flush=True)"
    )
    with alone():
        other = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert "another benchmark is running" in other.stderr.readline()
        assert other.poll() is None
    out, _ = other.communicate(timeout=20)
    assert out == "alone\n"
