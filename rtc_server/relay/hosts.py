"""The addresses of the TURN relay, to tell which learners come through it."""

import asyncio
import logging
from collections.abc import Sequence

from rtc_server.relay.turn_url import turn_url

LOOK_UP_EVERY_S = 300.0
"""A relay rarely moves, and the number of its learners may be wrong for so long."""

logger = logging.getLogger(__name__)


class RelayHosts:
    """What the names in `RTC_TURN_URLS` stand for."""

    def __init__(self, turn_urls: Sequence[str]) -> None:
        """Raises SettingsError."""
        self._names = {turn_url(url).host for url in turn_urls}
        self._addresses: frozenset[str] = frozenset()

    def __contains__(self, host: str) -> bool:
        return host in self._addresses

    async def keep_looking_up(self) -> None:
        """Until it is cancelled. A name that cannot be looked up now is tried again."""
        while self._names:
            await self.look_up()
            await asyncio.sleep(LOOK_UP_EVERY_S)

    async def look_up(self) -> None:
        found: set[str] = set()
        for name in self._names:
            try:
                answers = await asyncio.get_running_loop().getaddrinfo(name, None)
            except OSError:
                logger.warning("the TURN relay's name cannot be looked up; learners who use it are not counted")
                continue
            found |= {str(address[0]) for *_, address in answers}
        self._addresses = frozenset(found)
