"""The endpoint of the platform that adds what it is sent, told of differences instead of totals.

Exactly once is impossible over HTTP, and this endpoint knows no ids. So each difference is sent again only where it was
certainly not added: nothing is ever counted twice. Where that is not known, the event is dead, and an operator decides.
"""

import json
from http import HTTPStatus

from rtc_server.delivery.receiver import Answer, NoAnswer, NotSent, Receiver
from rtc_server.delivery.sink import DELIVERED, Fate, Outcome
from rtc_server.event import Event

_UNKNOWN = "it may have been added already: sent again, it could count twice"
_NOT_ADDED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class LegacySink:
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def send(self, event: Event) -> Outcome:
        if event.may_have_arrived:
            return Outcome(Fate.DEAD, f"the server stopped while it was sent; {_UNKNOWN}")
        try:
            answer = await self._receiver.post(body_of(event).encode(), {"Content-Type": "application/json"})
        except NotSent as error:
            return Outcome(Fate.AGAIN, str(error))
        except NoAnswer as error:
            return Outcome(Fate.DEAD, f"{error}; {_UNKNOWN}")
        return _outcome(answer)


def body_of(event: Event) -> str:
    """As the earlier service posted it, with what is new in place of the totals."""
    data = event.data
    focused, unfocused = data["new_focused"], data["new_unfocused"]
    total = focused + unfocused
    return json.dumps(
        {
            "user_id": data["user_id"],
            "module_id": data["module_id"],
            "section_id": data["section_id"],
            "focused_time": focused,
            "unfocused_time": unfocused,
            "total_time": total,
            "focus_percentage": round(100.0 * focused / total, 2),
            "session_type": "viewing",
            "timestamp": data["recorded_at"],
        }
    )


def _outcome(answer: Answer) -> Outcome:
    """The endpoint says in its JSON whether it has saved; it may answer 200 where it has not."""
    success = _success(answer.body)
    ok = HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
    if ok and success is True:
        return DELIVERED
    if success is False:
        return Outcome(Fate.AGAIN, f"HTTP {answer.status}, and it says that it has not saved", answer.retry_after_s)
    refused = HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if refused or answer.status in _NOT_ADDED:
        return Outcome(Fate.AGAIN, f"HTTP {answer.status}", answer.retry_after_s)
    return Outcome(Fate.DEAD, f"HTTP {answer.status} without `success`; {_UNKNOWN}")


def _success(body: bytes) -> bool | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    success = said.get("success") if isinstance(said, dict) else None
    return success if isinstance(success, bool) else None
