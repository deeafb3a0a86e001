"""Every setting, from `RTC_…` in the environment or in `.env`. The only module that reads either.

The README's table holds each of them, by test. None of the defaults opens a door: without a token
secret or a JWKS address the server starts in demo mode only.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Descriptions are the README's; a list is written with commas."""

    model_config = SettingsConfigDict(env_prefix="RTC_", env_file=".env", extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity logged.")

    database_url: SecretStr = Field(
        SecretStr("sqlite+aiosqlite:///var/rtc-server.sqlite3"),
        description="Where rows go: `mysql+aiomysql://…`, `postgresql+asyncpg://…` or `sqlite+aiosqlite:///…`.",
    )
    save_interval: float = Field(5.0, gt=0, le=300, description="Seconds between two writes of a live session's row.")

    token_secret: SecretStr | None = Field(
        None, description="HS256 secret that the platform signs learners' tokens with; 32 bytes or more."
    )
    token_audience: str = Field("rtc-server", description="`aud` that a token must carry.")
    token_issuer: str | None = Field(None, description="`iss` that a token must carry, where set.")

    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins of pages elsewhere that may call this server, comma-separated."
    )

    max_sessions: int = Field(
        default_factory=lambda: 16 * (os.cpu_count() or 1),
        ge=1,
        description="Live peers in all, then 503; by default 16 for each core.",
    )
    connect_timeout: float = Field(15.0, gt=0, description="Seconds from the answer to a connection.")
    first_frame_timeout: float = Field(10.0, gt=0, description="Seconds from the connection to a first frame.")
    silence_unknown: float = Field(5.0, gt=0, description="Seconds without a frame until the state is unknown.")
    silence_timeout: float = Field(30.0, gt=0, description="Seconds without a frame until the peer is closed.")
    resume_window: float = Field(
        60.0, ge=0, description="Seconds in which a learner who lost the connection may go on with the same row."
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_on_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(item.strip() for item in value.split(",") if item.strip())
        return value

    @property
    def sqlite_folder(self) -> Path | None:
        """The folder an embedded database needs; None for a server."""
        url = self.database_url.get_secret_value()
        if not url.startswith("sqlite") or ":///" not in url:
            return None
        return Path(url.split(":///", 1)[1]).parent
