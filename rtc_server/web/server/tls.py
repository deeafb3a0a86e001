"""HTTPS without a proxy: a certificate from files, read again when they change."""

import asyncio
import logging
import ssl
from pathlib import Path

from rtc_server.errors import SettingsError

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 60.0


class Certificate:
    """A certificate and its key, and a TLS context that always uses the newest valid pair."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        """PEM files. Raises SettingsError where they are missing or do not belong together."""
        self._certificate = certificate
        self._private_key = private_key
        self._loaded = self._stamp()
        try:
            self.context = self._new_context()
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"RTC_TLS_CERTIFICATE, RTC_TLS_PRIVATE_KEY: {error}.") from None

    async def watch(self, interval_s: float = CHECK_INTERVAL_S) -> None:
        """Keeps the context up to date until cancelled. Connections that are open keep what they have."""
        while True:
            await asyncio.sleep(interval_s)
            await asyncio.to_thread(self.reload_if_changed)

    def reload_if_changed(self) -> bool:
        """True where a new pair is used from now on. A pair that does not load is logged, and the old one stays."""
        stamp = self._stamp()
        if stamp == self._loaded:
            return False
        try:
            # Tried on a context of its own: a failure half-way leaves a live one with half a pair.
            self._new_context()
            self.context.load_cert_chain(self._certificate, self._private_key)
        except (OSError, ssl.SSLError) as error:
            logger.warning("the new certificate cannot be used", extra={"error": str(error)})
            return False
        self._loaded = stamp
        logger.info("the certificate was reloaded")
        return True

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._certificate, self._private_key)
        return context

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self._certificate, self._private_key))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced; None while it is missing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
