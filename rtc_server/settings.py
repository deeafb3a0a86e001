"""Every setting, from `RTC_…` in the environment or in `.env`. The only module that reads either.

The README's table holds each of them, by test. None of the defaults opens a door: without a token
secret or a JWKS address the server starts in demo mode only.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, IPvAnyAddress, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Port = Annotated[int, Field(ge=1, le=65535)]


@dataclass(frozen=True, slots=True)
class PortRange:
    """Both ends are included; written `first-last`."""

    first: Port
    last: Port

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def _port_range(value: object) -> object:
    if not isinstance(value, str):
        return value
    first, separator, last = value.partition("-")
    if not (separator and first.strip().isdigit() and last.strip().isdigit() and int(first) <= int(last)):
        raise ValueError("write first-last, as in 40000-40100")
    return {"first": int(first), "last": int(last)}


def _secret_folders() -> list[Path]:
    """Where an orchestrator leaves secrets, a file each, named as the variable in lower case: systemd, then Docker."""
    folders = (os.environ.get("CREDENTIALS_DIRECTORY"), "/run/secrets")
    return [Path(folder) for folder in folders if folder and Path(folder).is_dir()]


class Settings(BaseSettings):
    """Descriptions are the README's; a list is written with commas."""

    model_config = SettingsConfigDict(env_prefix="RTC_", env_file=".env", extra="ignore", secrets_dir=_secret_folders())

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity logged.")

    database_url: SecretStr = Field(
        SecretStr("sqlite+aiosqlite:///var/rtc-server.sqlite3"),
        description="Where rows go: `mysql+aiomysql://…`, `postgresql+asyncpg://…` or `sqlite+aiosqlite:///…`.",
    )
    save_interval: float = Field(5.0, gt=0, le=300, description="Seconds between two writes of a live session's row.")
    spool: Path = Field(
        Path("var/spool"), description="Folder for what the database does not take, until it does; made when needed."
    )

    platform_rows: Literal["day", "session"] = Field(
        "day",
        description="Rows of `eye_tracking_sessions`: one for each user, module, section and `day`, or one for each "
        "`session`.",
    )

    retention_days: float | None = Field(
        None, gt=0, description="Days after which what is kept of a session is removed; by default never."
    )
    retention_platform_rows: bool = Field(
        False, description="Remove the session's row in the platform's table with it."
    )

    token_secret: SecretStr | None = Field(
        None, description="HS256 secret that the platform signs learners' tokens with; 32 bytes or more."
    )
    token_secret_previous: SecretStr | None = Field(
        None, description="The secret before `RTC_TOKEN_SECRET`, still believed while the platform changes over."
    )
    jwks_url: str | None = Field(
        None, description="Address of the platform's JWKS, for tokens signed with RS256 or ES256; `https://`."
    )
    token_audience: str = Field("rtc-server", description="`aud` that a token must carry.")
    token_issuer: str | None = Field(None, description="`iss` that a token must carry, where set.")

    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins of pages elsewhere that may call this server, comma-separated."
    )

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses or networks of proxies whose `Forwarded` or `X-Forwarded-For` is believed."
    )
    tls_certificate: Path | None = Field(
        None, description="Certificate chain, PEM, to serve HTTPS directly; read again when the file changes."
    )
    tls_private_key: Path | None = Field(None, description="Private key of that certificate, PEM.")
    max_connections: int = Field(
        400,
        ge=10,
        description="HTTP connections at once; past that the one longest without a request is closed.",
    )
    header_timeout: float = Field(
        15.0,
        gt=0,
        description="Seconds for a TLS handshake, and for a request's headers, then the connection is closed.",
    )
    body_timeout: float = Field(10.0, gt=0, description="Seconds for a request's body to arrive, then 408.")
    max_offer_bytes: int = Field(
        32_768, ge=4096, le=32_768, description="Length of an offer or of a fragment of candidates, then 400."
    )
    offers_per_minute: int = Field(
        120,
        ge=1,
        description="Offers from one address in a minute, then 429; a school is often one address. So many requests "
        "without a good token, counted apart, get 401, then 429.",
    )

    max_sessions: int = Field(
        default_factory=lambda: 16 * (os.cpu_count() or 1),
        ge=1,
        description="Live peers in all, then 503; by default 16 for each core.",
    )
    max_sessions_per_user: int = Field(3, ge=1, description="Live peers of one user, in different modules, then 429.")
    max_sessions_per_address: int = Field(
        64, ge=1, description="Live peers from one address, then 429; a school is often one address."
    )
    max_bitrate: int = Field(
        300,
        ge=100,
        description="Kilobits a second that a peer is asked to keep to; past six times that its packets are dropped.",
    )
    max_packets_per_second: int = Field(
        600, ge=100, description="Media packets a second of one peer; past that they are dropped."
    )
    max_frames_per_second: int = Field(
        20,
        ge=5,
        le=60,
        description="Pictures of one peer that are looked at in a second; of more only the newest. Our page sends 15.",
    )
    messages_per_second: float = Field(
        5.0,
        gt=0,
        description="Messages a second that one peer may send on its data channels; past that they are refused, then "
        "the peer is ended.",
    )
    adaptive: bool = Field(
        True, description="Look at still pictures less often while the answer stays the same; 0 looks at every one."
    )
    connect_timeout: float = Field(15.0, gt=0, description="Seconds from the answer to a connection.")
    first_frame_timeout: float = Field(10.0, gt=0, description="Seconds from the connection to a first frame.")
    silence_unknown: float = Field(5.0, gt=0, description="Seconds without a frame until the state is unknown.")
    silence_timeout: float = Field(30.0, gt=0, description="Seconds without a frame until the peer is closed.")
    pause_timeout: float = Field(3600.0, gt=0, description="Seconds of a pause until the peer is closed.")
    max_session_age: float = Field(
        14_400.0,
        gt=0,
        description="Seconds that a session may last, pauses and reconnections included; then the page is told "
        "`expired`.",
    )
    resume_window: float = Field(
        60.0, ge=0, description="Seconds in which a learner who lost the connection may go on with the same row."
    )

    udp_ports: Annotated[PortRange | None, NoDecode, BeforeValidator(_port_range)] = Field(
        None, description="UDP ports that media may use, as in `40000-40100`; by default any that the system gives."
    )
    public_ip: Annotated[tuple[IPvAnyAddress, ...], NoDecode] = Field(
        (), description="Public address in front of this host where NAT maps it one to one; IPv4, IPv6, or both."
    )
    ice_addresses: Annotated[tuple[IPvAnyAddress, ...], NoDecode] = Field(
        (), description="Addresses of this host that media may use; by default all but loopback."
    )
    server_turn: bool = Field(
        False, description="Media reaches this host through the relay alone; for a host that browsers cannot reach."
    )
    stun_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="`stun:` addresses that browsers are given."
    )
    turn_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="`turn:` and `turns:` addresses of the relay, which browsers are given with a credential."
    )
    turn_secret: SecretStr | None = Field(
        None, description="Secret shared with the relay, from which credentials are made; 32 bytes or more."
    )
    turn_ttl: int = Field(3600, ge=60, le=86400, description="Seconds for which a relay credential opens new relays.")
    turn_realm: str = Field("rtc-server", description="The relay's realm.")
    turn_relay_ports: Annotated[PortRange, NoDecode, BeforeValidator(_port_range)] = Field(
        PortRange(49152, 65535), description="UDP ports on which the relay faces this server."
    )
    turn_external_ip: str | None = Field(
        None, description="Public address of a relay behind one-to-one NAT: `public`, or `public/private`."
    )
    turn_certificate: Path | None = Field(
        None, description="Certificate chain of the relay, PEM, as a path on the relay's host; `turns:` needs it."
    )
    turn_private_key: Path | None = Field(None, description="Private key of the relay's certificate, PEM.")
    turn_peers: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses or first-last ranges that the relay may reach, and no others: this server's, as the "
        "relay sees it. By default any public address.",
    )
    turn_user_quota: int = Field(24, ge=1, description="Relays that one learner may hold at once.")
    turn_bandwidth: int = Field(250_000, ge=16_000, description="Bytes a second, each way, that one relay may carry.")

    @field_validator(
        "cors_origins",
        "trusted_proxies",
        "public_ip",
        "ice_addresses",
        "stun_urls",
        "turn_urls",
        "turn_peers",
        mode="before",
    )
    @classmethod
    def _split_on_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(item.strip() for item in value.split(",") if item.strip())
        return value
