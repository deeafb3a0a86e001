"""The proxies of deploy/, real ones, each with its configuration as it stands but for this machine's places."""

import asyncio
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp.test_utils import unused_port

from tests.turn.relay import self_signed

ROOT = Path(__file__).parents[2]
NGINX = (ROOT / "deploy/nginx.conf").read_text()
HAPROXY = (ROOT / "deploy/haproxy/haproxy.cfg").read_text()
MAIN = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; {user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{site}
}}
"""


@dataclass(frozen=True)
class Proxy:
    port: int
    plain_port: int
    certificate: Path
    trusting: ssl.SSLContext
    """Trusts the certificate."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/"


def nginx_site(folder: Path, *, port: int, plain_port: int, upstreams: Sequence[int]) -> str:
    site = re.sub(r"ssl_certificate +\S+;", f"ssl_certificate {folder}/relay.crt;", NGINX)
    site = re.sub(r"ssl_certificate_key +\S+;", f"ssl_certificate_key {folder}/relay.key;", site)
    site = re.sub(r"proxy_cache_path +\S+", f"proxy_cache_path {folder}/cache", site)
    site = re.sub(r"^ *listen \[::\].*\n", "", site, flags=re.MULTILINE)
    site = site.replace("listen 80;", f"listen 127.0.0.1:{plain_port};")
    site = site.replace("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;")
    site = site.replace("server 127.0.0.1:8080;", " ".join(f"server 127.0.0.1:{one};" for one in upstreams))
    assert site.count("127.0.0.1:") == 2 + len(upstreams)
    return site


@asynccontextmanager
async def nginx(folder: Path, upstreams: Sequence[int], *, rates_divided_by: int = 1) -> AsyncIterator[Proxy]:
    """rates_divided_by: the limits fill so many times as slowly: what a busy machine sends is a flood then too."""
    proxy = _proxy(folder)
    site = nginx_site(folder, port=proxy.port, plain_port=proxy.plain_port, upstreams=upstreams)
    site = re.sub(r"rate=(\d+)r/s", lambda match: f"rate={60 * int(match[1]) // rates_divided_by}r/m", site)
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, site=site, user=user))
    command = [_program("nginx"), "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
    with _running(command) as process:
        await _until_it_answers(proxy, process)
        yield proxy


@asynccontextmanager
async def haproxy(folder: Path, upstreams: Sequence[int]) -> AsyncIterator[Proxy]:
    proxy = _proxy(folder)
    (folder / "site.pem").write_bytes(proxy.certificate.read_bytes() + (folder / "relay.key").read_bytes())
    written = HAPROXY.replace("bind :80\n", f"bind 127.0.0.1:{proxy.plain_port}\n")
    written = written.replace("bind :443 ", f"bind 127.0.0.1:{proxy.port} ")
    written = re.sub(r"crt \S+", f"crt {folder}/site.pem", written)
    lines = "".join(f"    server s{number} 127.0.0.1:{port}\n" for number, port in enumerate(upstreams))
    written = re.sub(r"(    server \w+ 10\.0\.0\.\d+:8080\n)+", lines, written)
    assert written.count("127.0.0.1:") == 2 + len(upstreams)
    (folder / "haproxy.cfg").write_text(written)
    with _running([_program("haproxy"), "-db", "-f", folder / "haproxy.cfg"]) as process:
        await _until_it_answers(proxy, process)
        yield proxy


def _proxy(folder: Path) -> Proxy:
    certificate, _ = self_signed(folder)
    return Proxy(unused_port(), unused_port(), certificate, ssl.create_default_context(cafile=certificate))


def _program(name: str) -> str:
    program = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    assert program is not None, f"{name} is missing: scripts/install-test-packages.sh installs it"
    return program


@contextmanager
def _running(command: Sequence[str | Path]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


async def _until_it_answers(proxy: Proxy, process: subprocess.Popen[str]) -> None:
    async with asyncio.timeout(10):
        while True:
            assert process.poll() is None, process.communicate()[1]
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                writer.close()
                return
            await asyncio.sleep(0.02)  # nothing tells when a proxy listens
