"""Every setting, from `RTC_…` in the environment or in `.env`. The only module that reads either.

A test compares the README's table with them. The defaults let nobody in: without a token secret or a
JWKS URL the server starts in demo mode only.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, IPvAnyAddress, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from rtc_server.port_range import PortRange
from rtc_server.processors import usable_processors

PEERS_FOR_A_PROCESSOR = 16

Port = Annotated[int, Field(ge=1, le=65535)]


def _port_range(value: object) -> object:
    return PortRange.parse(value) if isinstance(value, str) else value


def _worker_count(value: object) -> object:
    return usable_processors() if value == "auto" else value


def _secret_folders() -> list[Path]:
    """Folders of systemd and Docker with one file for each secret, named as the variable in lower case."""
    folders = (os.environ.get("CREDENTIALS_DIRECTORY"), "/run/secrets")
    return [Path(folder) for folder in folders if folder and Path(folder).is_dir()]


class Settings(BaseSettings):
    """The README's table has the same descriptions. Items of a list are separated by commas."""

    model_config = SettingsConfigDict(env_prefix="RTC_", env_file=".env", extra="ignore", secrets_dir=_secret_folders())

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest severity that is logged."
    )

    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="Port for Prometheus: `/metrics`, without a token. By default there is none."
    )
    metrics_host: str = Field("127.0.0.1", description="Address for that port.")

    database_url: SecretStr = Field(
        SecretStr("sqlite+aiosqlite:///var/rtc-server.sqlite3"),
        description="Database for the rows: `mysql+aiomysql://…`, `postgresql+asyncpg://…` or `sqlite+aiosqlite:///…`.",
    )
    save_interval: float = Field(
        0.5, gt=0, le=300, description="Seconds between two saves of a live session: what a dying server may lose."
    )
    spool: Path = Field(
        Path("var/spool"),
        description="Folder where sessions wait while the database is away. It is created when needed.",
    )

    platform_rows: Literal["day", "session"] = Field(
        "day",
        description="Rows of `eye_tracking_sessions`: one for each user, module, section and `day`, or one for each "
        "`session`.",
    )

    retention_days: float | None = Field(
        None, gt=0, description="Days after which the stored data of a session is deleted. By default never."
    )
    retention_platform_rows: bool = Field(False, description="Also delete the session's row in the platform's table.")

    token_secret: SecretStr | None = Field(
        None, description="HS256 secret that the platform signs tokens with; at least 32 bytes."
    )
    token_secret_previous: SecretStr | None = Field(
        None, description="The previous secret, still accepted while the platform changes over."
    )
    jwks_url: str | None = Field(
        None, description="URL of the platform's JWKS, for tokens signed with RS256 or ES256; it must be `https://`."
    )
    token_audience: str = Field("rtc-server", description="`aud` that a token must have.")
    token_issuer: str | None = Field(None, description="`iss` that a token must have, if this is set.")

    min_group: int = Field(
        0,
        ge=0,
        description="Teachers see sums of this many learners or more, and no single learner. 0: they see each learner.",
    )
    learners_may_erase: bool = Field(
        False,
        description="A learner may delete what is stored about them. With `RTC_RETENTION_PLATFORM_ROWS` also their "
        "rows in the platform's table.",
    )

    webhook_url: str | None = Field(
        None, description="`https://` address that is told when sessions start, go on and end, and of erasures."
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Secret that webhooks are signed with: `whsec_` and 24 bytes or more in base64."
    )
    webhook_update_interval: float = Field(
        60.0, ge=0, description="Seconds of a session between two `session.updated`; 0 for none."
    )
    webhook_allow_private: bool = Field(
        False, description="Send to private addresses too, and there also to `http://`. By default public ones only."
    )

    legacy_save_url: str | None = Field(
        None,
        description="Address of an endpoint that *adds* what it is sent: it gets differences. Only for a platform "
        "whose database this server does not write.",
    )

    xapi_url: str | None = Field(
        None, description="Address of a Learning Record Store, without `/statements`, that gets xAPI statements."
    )
    xapi_user: str | None = Field(None, description="User, or key, for the Learning Record Store.")
    xapi_password: SecretStr | None = Field(None, description="Password, or secret, for the Learning Record Store.")
    xapi_home_page: str | None = Field(
        None, description="`homePage` of the learners' accounts in xAPI statements: the platform's address."
    )

    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins of other sites' pages that may call this server, separated by commas."
    )

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses or networks of proxies whose `Forwarded` or `X-Forwarded-For` header is believed."
    )
    tls_certificate: Path | None = Field(
        None, description="Certificate chain (PEM) to serve HTTPS directly. It is reloaded when the file changes."
    )
    tls_private_key: Path | None = Field(None, description="Private key (PEM) of that certificate.")
    max_connections: int = Field(
        400,
        ge=10,
        description="Most HTTP connections at once. If there are more, the one that has waited longest without a "
        "request is closed.",
    )
    header_timeout: float = Field(
        15.0,
        gt=0,
        description="Seconds for a TLS handshake, and for the headers of a request. Then the connection is closed.",
    )
    body_timeout: float = Field(10.0, gt=0, description="Seconds for the body of a request; a slower one gets 408.")
    max_offer_bytes: int = Field(
        32_768,
        ge=4096,
        le=32_768,
        description="Longest offer, or fragment of candidates, in bytes. A longer one gets 400.",
    )
    offers_per_minute: int = Field(
        300,
        ge=1,
        description="Most offers a minute from one address; more get 429. A school is often one address. Requests "
        "without a valid token have the same limit, counted apart.",
    )
    offers_per_minute_per_user: int = Field(
        20,
        ge=1,
        description="Most offers a minute of one user, valid or not; more get 429 and do not count for the address.",
    )
    reads_per_minute: int = Field(
        120,
        ge=1,
        description="Most requests a minute of one user for stored sessions and relay credentials; more get 429.",
    )

    workers: Annotated[int, BeforeValidator(_worker_count)] = Field(
        1,
        ge=1,
        description="Processes of this server, a core each; `auto`: as many as there are cores to use. More than one "
        "need `RTC_REDIS_URL`. Limits count in each.",
    )
    processors: int = Field(
        default_factory=usable_processors,
        ge=1,
        description="Threads that look at pictures. By default one for each processor that this process may use.",
    )
    max_sessions: int = Field(
        default_factory=lambda data: PEERS_FOR_A_PROCESSOR * data.get("processors", 1),
        ge=1,
        description="Most live peers in all; one more gets 503. By default 16 for each of `RTC_PROCESSORS`.",
    )
    max_sessions_per_user: int = Field(
        3, ge=1, description="Most live peers of one user, in different modules; one more gets 429."
    )
    max_sessions_per_address: int | None = Field(
        None,
        ge=1,
        description="Most live peers from one address; one more gets 429. By default as many as in all, because a "
        "school is often one address.",
    )
    max_bitrate: int = Field(
        300,
        ge=100,
        description="Most kilobits a second that a peer is asked to send. Packets above six times that rate are "
        "dropped.",
    )
    max_packets_per_second: int = Field(
        600, ge=100, description="Most media packets a second of one peer; more are dropped."
    )
    max_frames_per_second: int = Field(
        20,
        ge=5,
        le=60,
        description="Most frames a second of one peer that are analysed. If more arrive, only the newest are analysed. "
        "Our page sends 15.",
    )
    messages_per_second: float = Field(
        5.0,
        gt=0,
        description="Most messages a second that one peer may send on its data channels. More are refused, and then "
        "the peer is closed.",
    )
    adaptive: bool = Field(
        True, description="Analyse a still picture less often while the result stays the same. 0 analyses every frame."
    )
    connect_timeout: float = Field(15.0, gt=0, description="Seconds from the answer until the peer must be connected.")
    first_frame_timeout: float = Field(
        10.0, gt=0, description="Seconds from the connection until the first frame must have arrived."
    )
    silence_unknown: float = Field(5.0, gt=0, description="Seconds without a frame after which the state is unknown.")
    silence_timeout: float = Field(30.0, gt=0, description="Seconds without a frame after which the peer is closed.")
    pause_timeout: float = Field(3600.0, gt=0, description="Seconds of a pause after which the peer is closed.")
    max_session_age: float = Field(
        14_400.0,
        gt=0,
        description="Seconds that a session may last, pauses and reconnections included. Then it ends with the reason "
        "`expired`.",
    )
    resume_window: float = Field(
        60.0,
        ge=0,
        description="Seconds in which a learner who lost the connection, or whose server is gone, can continue the "
        "same session.",
    )

    drain_timeout: float = Field(
        20.0,
        gt=0,
        description="Seconds for an orderly stop: learners are told, everything is stored. After that the process ends "
        "with what is left in the spool.",
    )

    redis_url: SecretStr | None = Field(
        None,
        description="Redis in which the servers of a fleet find each other, such as `redis://host:6379/0`. By default "
        "there is one server.",
    )
    fleet_secret: SecretStr | None = Field(
        None, min_length=32, description="Secret of the servers of a fleet among themselves; at least 32 bytes."
    )
    private_host: str = Field(
        "127.0.0.1", description="Address of this server at which the other servers of the fleet reach it."
    )
    private_port: int = Field(0, ge=0, le=65535, description="Port for them; 0 picks a free one.")

    udp_ports: Annotated[PortRange | None, NoDecode, BeforeValidator(_port_range)] = Field(
        None, description="UDP ports for media, such as `40000-40100`. By default any free port."
    )
    public_ip: Annotated[tuple[IPvAnyAddress, ...], NoDecode] = Field(
        (), description="Public address of this host behind one-to-one NAT: IPv4, IPv6, or both."
    )
    ice_addresses: Annotated[tuple[IPvAnyAddress, ...], NoDecode] = Field(
        (), description="Addresses of this host to use for media. By default all but loopback."
    )
    server_turn: bool = Field(
        False, description="Send and receive media through the relay only. For a host that browsers cannot reach."
    )
    stun_urls: Annotated[tuple[str, ...], NoDecode] = Field((), description="`stun:` URLs that browsers are given.")
    turn_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="`turn:` and `turns:` URLs of the relay. Browsers are given them with a credential."
    )
    turn_secret: SecretStr | None = Field(
        None, description="Secret shared with the relay, from which credentials are made; at least 32 bytes."
    )
    turn_ttl: int = Field(
        3600, ge=60, le=86400, description="Seconds for which a relay credential can open new relays."
    )

    @field_validator(
        "cors_origins",
        "trusted_proxies",
        "public_ip",
        "ice_addresses",
        "stun_urls",
        "turn_urls",
        mode="before",
    )
    @classmethod
    def _split_on_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(item.strip() for item in value.split(",") if item.strip())
        return value
