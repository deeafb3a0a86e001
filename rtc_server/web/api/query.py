"""What the endpoints share: the query of a request, whose sessions it may be about, and the answer as JSON."""

import hashlib
from typing import Protocol, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from rtc_server.errors import MalformedRequest, NotAllowed
from rtc_server.learner import Grant
from rtc_server.store.reads.terms import Scope
from rtc_server.web.api.schemas import Moment

Query = TypeVar("Query", bound=BaseModel)


class _Filter(Protocol):
    user_id: int | None
    module_id: int | None
    begins: Moment | None
    ends: Moment | None


def query_of(request: web.Request, model: type[Query]) -> Query:
    """Raises MalformedRequest."""
    values = dict(request.query)
    if len(values) < len(request.query):
        raise MalformedRequest("A parameter is there twice.")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise MalformedRequest(f"The parameter {name!r}: {first['msg']}.") from None


def scope_of(grant: Grant, asked: _Filter) -> Scope:
    """What of the asked for the token allows: a learner's own sessions, a teacher's modules. Raises NotAllowed."""
    own = grant.learner.user_id
    if grant.role == "learner" and asked.user_id not in (None, own):
        raise NotAllowed("The token is another learner's.")
    if asked.module_id is not None and asked.module_id not in grant.readable_modules:
        raise NotAllowed("The token does not name this module.")
    modules = frozenset({asked.module_id}) if asked.module_id is not None else grant.readable_modules
    user_id = own if grant.role == "learner" else asked.user_id
    return Scope(modules, user_id, begins=asked.begins, ends=asked.ends)


def answer_with(request: web.Request, body: BaseModel) -> web.Response:
    """The model as JSON, with an entity tag; 304 to who has it already."""
    return answer_json(request, body.model_dump_json().encode())


def answer_json(request: web.Request, body: bytes) -> web.Response:
    etag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{etag}"'}
    if any(tag.value in (etag, "*") for tag in request.if_none_match or ()):  # compared weakly (RFC 9110, 13.1.2)
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)
