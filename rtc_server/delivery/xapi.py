"""xAPI statements (IEEE 9274.1.1) to a Learning Record Store, by the profile in docs/xapi.md.

A statement's id is made from the session and the event, so that sending it again changes nothing.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid5

from rtc_server.delivery.receiver import NoAnswer, NotSent, Receiver
from rtc_server.delivery.sink import DELIVERED, Fate, Outcome
from rtc_server.event import Event, EventType

PROFILE = "urn:x-rtc-server:xapi"
VERBS = {EventType.STARTED: "measuring-started", EventType.ENDED: "measuring-ended"}
_VERSION = "1.0.3"


class XapiSink:
    def __init__(self, receiver: Receiver, *, user: str, password: str, home_page: str) -> None:
        """receiver: the store's address, without `/statements`. home_page: the platform's, whose user ids these are."""
        self._receiver = receiver
        self._home_page = home_page.rstrip("/")
        credentials = b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/json",
            "X-Experience-API-Version": _VERSION,
        }

    async def send(self, event: Event) -> Outcome:
        body = json.dumps(statement(event, self._home_page)).encode()
        try:
            answer = await self._receiver.post(body, self._headers, path="/statements")
        except (NotSent, NoAnswer) as error:
            return Outcome(Fate.AGAIN, str(error))
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES or answer.status == HTTPStatus.CONFLICT:
            return DELIVERED  # 409: it has a statement with this id
        if answer.status == HTTPStatus.BAD_REQUEST:
            return Outcome(Fate.DEAD, "HTTP 400: the store does not take such a statement")
        return Outcome(Fate.AGAIN, f"HTTP {answer.status}", answer.retry_after_s)


def statement(event: Event, home_page: str) -> dict[str, Any]:
    data = event.data
    session = UUID(data["focus_session_id"])
    verb = VERBS[event.type]
    made = {
        "id": str(uuid5(session, f"{event.type.value} {data['recorded_at']}")),
        "actor": {"objectType": "Agent", "account": {"homePage": home_page, "name": str(data["user_id"])}},
        "verb": {"id": f"{PROFILE}:verbs:{verb}", "display": {"en": verb.replace("-", " ")}},
        "object": _activity(data, home_page),
        "context": {
            "registration": str(session),
            "platform": "rtc-server",
            "extensions": {f"{PROFILE}:extensions:policy": data["policy"]},
        },
        "timestamp": event.occurred_at.isoformat(),
    }
    return made | {"result": _result(data)} if event.type is EventType.ENDED else made


def _activity(data: Mapping[str, Any], home_page: str) -> dict[str, Any]:
    kind = "module" if data["section_id"] is None else "section"
    address = f"{home_page}/xapi/modules/{data['module_id']}"
    if data["section_id"] is not None:
        address += f"/sections/{data['section_id']}"
    return {"objectType": "Activity", "id": address, "definition": {"type": f"{PROFILE}:activity-types:{kind}"}}


def _result(data: Mapping[str, Any]) -> dict[str, Any]:
    names = ("focused_s", "unfocused_s", "unknown_s", "end_reason")
    return {
        "duration": f"PT{data['focused_s'] + data['unfocused_s']:.2f}S",
        "extensions": {f"{PROFILE}:extensions:{name.replace('_', '-')}": data[name] for name in names},
    }
