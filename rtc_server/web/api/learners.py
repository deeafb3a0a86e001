"""DELETE /api/v1/learners/{user_id}: a learner erases what is stored about them, where the platform allows it."""

from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from rtc_server.errors import MalformedRequest, NotAllowed
from rtc_server.web.access.read_access import ReadAccess
from rtc_server.web.api.openapi import Operation
from rtc_server.web.server.requests import answer_options
from rtc_server.web.stored_sessions import Saves

PATH = "/api/v1/learners/{user_id}"
OPERATION = Operation(
    "eraseLearner",
    "A learner erases all that is stored about them. Live sessions end first. For learners, where "
    "RTC_LEARNERS_MAY_ERASE says so; 409 while a session is live on a server that cannot be reached.",
    "delete",
    PATH,
    path={"user_id": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}},
    status=HTTPStatus.NO_CONTENT,
    problems=(409,),
)


class LivePeers(Protocol):
    def end_user(self, user_id: int) -> list[str]:
        """Ends all of a learner's sessions here. Returns their ids."""
        ...


class OtherServers(Protocol):
    async def end_user(self, server_id: str, user_id: int) -> None:
        """Has that server end the learner's sessions and store them. Raises nothing."""
        ...


class Erasure(Protocol):
    async def live_on(self, user_id: int) -> list[str]:
        """The servers on which the learner has sessions that last. Raises StoreUnavailable."""
        ...

    async def erase(self, user_id: int) -> None:
        """Removes what is stored. Raises StillLive, StoreUnavailable."""
        ...


class LearnersEndpoint:
    def __init__(
        self,
        reads: ReadAccess,
        peers: LivePeers,
        saves: Saves,
        erasure: Erasure,
        others: OtherServers,
        *,
        learners_may_erase: bool,
    ) -> None:
        self._others = others
        self._reads = reads
        self._peers = peers
        self._saves = saves
        self._erasure = erasure
        self._learners_may_erase = learners_may_erase

    def routes(self) -> list[web.RouteDef]:
        return [web.delete(PATH, self._erase), web.options(PATH, answer_options("DELETE"))]

    async def _erase(self, request: web.Request) -> web.Response:
        async with self._reads.admitted(request) as grant:
            user_id = _user_id(request.match_info["user_id"])
            if grant.role != "learner" or user_id != grant.learner.user_id:
                raise NotAllowed("Only learners erase, and only what is theirs.")
            if not self._learners_may_erase:
                raise NotAllowed("Learners erase nothing here by themselves: ask the platform.")
            for focus_session_id in self._peers.end_user(user_id):
                await self._saves.settle(focus_session_id)  # what is stored later would be there again
            for server_id in await self._erasure.live_on(user_id):
                await self._others.end_user(server_id, user_id)
            await self._erasure.erase(user_id)
        return web.Response(status=HTTPStatus.NO_CONTENT)


def _user_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) < 2**31):
        raise MalformedRequest("The address does not end with the id of a user.")
    return int(text)
