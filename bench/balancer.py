"""HAProxy in front of some servers, and hosts that are network namespaces on one bridge."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = """\
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    option redispatch
    retries 2
    retry-on conn-failure empty-response
frontend learners
    bind {host}:{port}
    default_backend servers
backend servers
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 500ms fall 2 rise 1
{servers}
"""
BRIDGE = "10.203.78.1"


@asynccontextmanager
async def balanced(host: str, port: int, servers: Sequence[str]) -> AsyncIterator[None]:
    """servers: host and port of each."""
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise RuntimeError("haproxy is missing: apt-get install haproxy")
    lines = "\n".join(f"    server s{number} {address}" for number, address in enumerate(servers))
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(CONFIGURATION.format(host=host, port=port, servers=lines))
        file.flush()
        process = await asyncio.create_subprocess_exec(
            program, "-db", "-f", file.name, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            yield
        finally:
            process.terminate()
            await process.wait()


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace with one address."""

    name: str
    address: str

    @property
    def within(self) -> list[str]:
        """Runs a command there."""
        return ["ip", "netns", "exec", self.name]

    def cut(self) -> None:
        """Nothing gets in or out any more."""
        _ip("link", "set", f"{self.name}b", "down")


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """On a bridge with this machine, which is BRIDGE. Needs root. Nothing of them is left afterwards."""
    prefix = f"rtcf{os.getpid() % 10000}"
    bridge = f"{prefix}br"
    made = [Host(f"{prefix}h{number}", f"10.203.78.{number + 2}") for number in range(count)]
    _ip("link", "add", bridge, "type", "bridge")
    try:
        _ip("addr", "add", f"{BRIDGE}/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for host in made:
            _ip("netns", "add", host.name)
            _ip("link", "add", f"{host.name}b", "type", "veth", "peer", "name", "eth0", "netns", host.name)
            _ip("link", "set", f"{host.name}b", "master", bridge, "up")
            for command in (
                ("addr", "add", f"{host.address}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
            ):
                _ip("-n", host.name, *command)
        yield made
    finally:
        for host in made:
            # The cable first: the namespace takes its time, and the next one's is to be called the same.
            for command in (["link", "del", f"{host.name}b"], ["netns", "del", host.name]):
                subprocess.run(["ip", *command], check=False, stderr=subprocess.DEVNULL)
        _ip("link", "del", bridge)


def folder_of(root: Path, number: int) -> Path:
    folder = root / str(number)
    folder.mkdir()
    return folder


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
