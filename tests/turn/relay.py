"""A real coturn on loopback, under the configuration that `rtc-server turn-config` writes."""

import contextlib
import datetime
import ipaddress
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rtc_server.learner import Learner
from rtc_server.port_range import PortRange
from rtc_server.relay.configuration import CoturnConfiguration, render
from rtc_server.relay.turn_url import turn_url
from rtc_server.web.ice_servers import IceServer, IceServers

SECRET = "a relay secret of the tests only, 64 characters long or nearly so".replace(" ", "-")
LEARNER = Learner(user_id=7, module_id=3)


@dataclass(frozen=True, slots=True)
class RunningRelay:
    relay: CoturnConfiguration
    pid: int

    @property
    def urls(self) -> tuple[str, ...]:
        hosts = (f"[{url.host}]" if ":" in url.host else url.host for url in self.relay.urls)
        return tuple(
            f"{url.scheme}:{host}:{url.port}?transport={url.transport}"
            for url, host in zip(self.relay.urls, hosts, strict=True)
        )

    def credential(self, *, secret: str = SECRET, ttl_s: float = 600.0, now: float | None = None) -> IceServer:
        """As the server gives it, or a forged or an expired one."""
        servers = IceServers(
            turn_urls=self.urls, turn_secret=secret, ttl_s=ttl_s, now=time.time if now is None else lambda: now
        )
        (server,) = servers.for_learner(LEARNER)
        return server


def loopback_relay(
    folder: Path, *, names: tuple[str, ...] = ("UDP", "TCP", "TLS"), host: str = "127.0.0.1"
) -> CoturnConfiguration:
    """Values for a relay that listens on free ports of one loopback address under the given transports."""
    plain, tls = _free_port(), _free_port()
    where = f"[{host}]" if ":" in host else host
    addresses = {
        "UDP": f"turn:{where}:{plain}?transport=udp",
        "TCP": f"turn:{where}:{plain}?transport=tcp",
        "TLS": f"turns:{where}:{tls}?transport=tcp",
    }
    certificate, private_key = self_signed(folder)
    return CoturnConfiguration(
        urls=tuple(turn_url(addresses[name]) for name in names),
        secret=SECRET,
        realm="tests",
        relay_ports=PortRange(49152, 65535),
        user_quota=64,
        total_quota=64,
        bandwidth=1_000_000,
        certificate=certificate if "TLS" in names else None,
        private_key=private_key if "TLS" in names else None,
        listening_ip=host,
        relay_ip=host,
    )


@contextlib.contextmanager
def running(
    relay: CoturnConfiguration, folder: Path, extra_lines: tuple[str, ...] = (), without: tuple[str, ...] = ()
) -> Iterator[RunningRelay]:
    relay = replace(relay, pid_file=folder / "turnserver.pid")
    configuration = folder / "turnserver.conf"
    lines = [line for line in render(relay).splitlines() if line not in without]
    configuration.write_text("\n".join((*lines, *extra_lines, "")))
    configuration.chmod(0o600)
    program = shutil.which("turnserver", path=os.environ["PATH"] + ":/usr/sbin")
    assert program is not None, "coturn is missing: scripts/install-test-packages.sh installs it"
    with subprocess.Popen(
        [program, "-c", configuration], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            _wait_until_serving(process)
            yield RunningRelay(relay, process.pid)
        finally:
            process.terminate()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and localhost, and its key."""
    certificate_file, key_file = folder / "relay.crt", folder / "relay.key"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    key_file.chmod(0o600)
    return certificate_file, key_file


def _wait_until_serving(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "Total General servers" in line:
            return
    raise AssertionError("coturn ended before it served:\n" + "".join(said))


def _free_port() -> int:
    """Free for UDP and TCP alike."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.bind(("127.0.0.1", 0))
            port: int = stream.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram, contextlib.suppress(OSError):
                datagram.bind(("127.0.0.1", port))
                return port
