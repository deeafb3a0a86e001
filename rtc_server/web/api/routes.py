"""All of the API: its routes, and its description."""

from aiohttp import web

from rtc_server.web.api import exports, learners, live_class, session, sessions, sums
from rtc_server.web.api.exports import ExportsEndpoint
from rtc_server.web.api.learners import LearnersEndpoint
from rtc_server.web.api.live_class import ClassEndpoint
from rtc_server.web.api.openapi import openapi_routes
from rtc_server.web.api.session import SessionEndpoint
from rtc_server.web.api.sessions import SessionsEndpoint
from rtc_server.web.api.sums import SumsEndpoint

OPERATIONS = (
    sessions.OPERATION,
    session.OPERATION,
    sums.OPERATION,
    live_class.OPERATION,
    *exports.OPERATIONS,
    learners.OPERATION,
)

Endpoint = SessionsEndpoint | SessionEndpoint | SumsEndpoint | ClassEndpoint | ExportsEndpoint | LearnersEndpoint


def api_routes(*endpoints: Endpoint) -> list[web.RouteDef]:
    return [*(route for endpoint in endpoints for route in endpoint.routes()), *openapi_routes(OPERATIONS)]
