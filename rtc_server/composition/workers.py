"""The workers of one host: what each is started with."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from rtc_server.errors import SettingsError
from rtc_server.processors import usable_processors
from rtc_server.settings import PEERS_FOR_A_PROCESSOR, Settings
from rtc_server.workers.shares import port_of, udp_ports
from rtc_server.workers.supervisor import WorkerCommand


def worker_count(settings: Settings) -> int:
    """How many. Raises SettingsError."""
    if settings.workers > 1 and settings.redis_url is None:
        raise SettingsError(
            f"{settings.workers} workers must find each other: set RTC_REDIS_URL to a Redis, such as "
            "redis://127.0.0.1:6379/0, or RTC_WORKERS to 1"
        )
    return settings.workers


def worker_commands(settings: Settings, count: int, port: int) -> list[WorkerCommand]:
    """port: the one for all. Raises SettingsError."""
    secret = settings.fleet_secret.get_secret_value() if settings.fleet_secret else secrets.token_urlsafe(48)
    given = settings.model_fields_set
    processors = settings.processors if "processors" in given else max(1, usable_processors() // count)
    peers = settings.max_sessions if "max_sessions" in given else PEERS_FOR_A_PROCESSOR * processors
    commands = []
    for index in range(count):
        environment = {
            "RTC_WORKERS": "1",
            "RTC_PROCESSORS": str(processors),
            "RTC_MAX_SESSIONS": str(peers),
            "RTC_FLEET_SECRET": secret,
            "RTC_PRIVATE_PORT": str(port_of(settings.private_port, index)),
        }
        if settings.metrics_port is not None:
            environment["RTC_METRICS_PORT"] = str(port_of(settings.metrics_port, index))
        if settings.udp_ports is not None:
            environment["RTC_UDP_PORTS"] = str(udp_ports(settings.udp_ports, count, index, peers))
        arguments = ["serve", "--host", settings.host, "--port", str(port), "--worker", str(index)]
        commands.append(WorkerCommand(arguments, environment))
    return commands


@contextmanager
def shared_port(host: str, port: int) -> Iterator[int]:
    """Reserves the port for the workers to listen on; 0 takes a free one. Raises SettingsError if it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as reserved:
        # It never listens, so no connection comes to it. Others may bind the port only if they share it as well.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            reserved.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {host}:{port} ({error.strerror}); choose another RTC_PORT"
            ) from error
        yield reserved.getsockname()[1]
