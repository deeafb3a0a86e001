"""GET /api/v1/openapi.json: describes the API (OpenAPI 3.1) from the models that check requests and shape answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import rtc_server
from rtc_server.web.api.query import answer_json
from rtc_server.web.api.schemas import Problem
from rtc_server.web.server.requests import answer_options

PATH = "/api/v1/openapi.json"
ALWAYS = (400, 401, 403, 429, 503)
"""What every operation may be refused with."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as its endpoint describes itself."""

    name: str
    summary: str
    method: Literal["get", "delete"]
    address: str
    path: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """JSON schema of each part of the path in braces."""
    query: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    """None where it is no JSON, or nothing."""
    media_type: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK
    events: tuple[type[BaseModel], ...] = ()
    """Models of what a stream sends; they stand among the components."""
    problems: tuple[int, ...] = ()
    """Besides those of ALWAYS."""


def openapi_routes(operations: Sequence[Operation]) -> list[web.RouteDef]:
    body = json.dumps(document(operations)).encode()

    async def described(request: web.Request) -> web.Response:
        response = answer_json(request, body)
        response.headers["Cache-Control"] = "no-cache"
        return response

    return [web.get(PATH, described), web.options(PATH, answer_options("GET", "HEAD"))]


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    answers: set[type[BaseModel]] = {Problem}
    for one in operations:
        answers |= {*one.events, *([one.answer] if one.answer is not None else [])}
    in_order = sorted(answers, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(model, "serialization") for model in in_order], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.address, {})[one.method] = _described(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rtc-server",
            "version": rtc_server.__version__,
            "description": "What was measured: whether face and eyes are turned to the screen. Learners read their "
            "own, teachers the modules that their token names.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"token": []}],
    }


def _described(operation: Operation) -> dict[str, Any]:
    statuses = sorted({*ALWAYS, *operation.problems})
    answered: dict[str, Any] = {"description": operation.status.phrase}
    if operation.answer is not None:
        schema = {"$ref": f"#/components/schemas/{operation.answer.__name__}"}
        answered["content"] = {operation.media_type: {"schema": schema}}
    elif operation.status is not HTTPStatus.NO_CONTENT:
        answered["content"] = {operation.media_type: {"schema": {"type": "string"}}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refused = {str(status): {"description": HTTPStatus(status).phrase, "content": problem} for status in statuses}
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation)],
        "responses": {str(operation.status.value): answered, **refused},
    }


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name, schema in operation.path.items()]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    schema = operation.query.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": parameter.get("description", ""),
            "schema": _of_text(parameter),
        }
        for name, parameter in schema["properties"].items()
    ]


def _of_text(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter that is absent is null to the model; in an address there is no null."""
    kept = {name: value for name, value in schema.items() if name not in ("title", "description", "anyOf")}
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if kept.get("default", 0) is None:
        del kept["default"]
    return {**(kinds[0] if kinds else {}), **kept}
