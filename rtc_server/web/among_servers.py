"""What the servers of a fleet ask of each other; nobody else may.

POST /fleet/focus-sessions/{focus_session_id}/settle returns once that session is stored as it is now.
POST /fleet/learners/{user_id}/end ends a learner's sessions, to be erased, and returns once they are stored.
"""

from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from rtc_server.errors import NotOfThisFleet
from rtc_server.web.access.passport import HEADER, passport_of
from rtc_server.web.stored_sessions import Saves

SETTLE = "/fleet/focus-sessions/{focus_session_id}/settle"
END = "/fleet/learners/{user_id}/end"


class LivePeers(Protocol):
    def end_user(self, user_id: int) -> list[str]:
        """Ends all of a learner's sessions here. Returns their ids."""
        ...


class AmongServersEndpoint:
    def __init__(self, peers: LivePeers, saves: Saves) -> None:
        self._peers = peers
        self._saves = saves

    def routes(self) -> list[web.RouteDef]:
        return [web.post(SETTLE, self._settle), web.post(END, self._end)]

    async def _settle(self, request: web.Request) -> web.Response:
        _require_passport(request)
        await self._saves.settle(request.match_info["focus_session_id"])
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _end(self, request: web.Request) -> web.Response:
        _require_passport(request)
        for focus_session_id in self._peers.end_user(int(request.match_info["user_id"])):
            await self._saves.settle(focus_session_id)
        return web.Response(status=HTTPStatus.NO_CONTENT)


def _require_passport(request: web.Request) -> None:
    if passport_of(request) is None:
        raise NotOfThisFleet(f"Only servers of the same fleet may do this, with {HEADER}.")
