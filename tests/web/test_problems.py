"""Every error has a status, and every answer that says no has one shape."""

import inspect

import pytest
from aiohttp import web

from rtc_server import errors
from rtc_server.errors import RateLimited, RtcServerError, ServerFull, TokenInvalid, TokenMissing
from rtc_server.web.server.problems import STATUS, problem_middleware

ERRORS = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, RtcServerError) and error is not RtcServerError
]


def made(error: type[RtcServerError]) -> RtcServerError:
    return error("What happened.", 2.5) if error in (RateLimited, ServerFull) else error("What happened.")


@pytest.fixture
def answering(serve):
    """Starts a server whose every request raises this."""

    async def start(error: BaseException):
        async def fail(_request: web.Request) -> web.Response:
            raise error

        application = web.Application(middlewares=[problem_middleware])
        application.router.add_get("/", fail)
        return await serve(application)

    return start


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
async def test_every_error_is_a_problem_with_a_status_of_its_own(answering, error):
    response = await (await answering(made(error))).get("/")

    assert response.status == STATUS[error]
    assert response.content_type == "application/problem+json"
    problem = await response.json(content_type=None)
    assert problem["status"] == response.status
    assert problem["title"] == response.reason
    assert problem["code"] == error.code
    assert (problem["detail"] == "What happened.") == (response.status != 500)


def test_codes_tell_errors_apart():
    assert len({error.code for error in ERRORS}) == len(ERRORS)


async def test_a_missing_token_is_told_the_scheme_only(answering):
    response = await (await answering(TokenMissing("Send one."))).get("/")

    assert response.headers["WWW-Authenticate"] == 'Bearer realm="rtc-server"'


async def test_an_invalid_token_is_told_so(answering):
    response = await (await answering(TokenInvalid("Forged."))).get("/")

    assert response.headers["WWW-Authenticate"] == 'Bearer realm="rtc-server", error="invalid_token"'


async def test_whoever_has_to_wait_is_told_how_long(answering):
    assert (await (await answering(ServerFull("Full.", 2.5))).get("/")).headers["Retry-After"] == "3"
    assert (await (await answering(RateLimited("Often.", 0.0))).get("/")).headers["Retry-After"] == "1"


async def test_a_bug_is_logged_and_says_nothing_outside(answering, caplog):
    response = await (await answering(ZeroDivisionError("the secret is 42"))).get("/")

    assert response.status == 500
    assert "42" not in await response.text()
    assert "the secret is 42" in caplog.text


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (web.HTTPNotFound(), "not_found"),
        (web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2), "request_entity_too_large"),
        (web.HTTPBadRequest(text="<script>"), "bad_request"),
    ],
)
async def test_errors_of_aiohttp_get_the_same_shape(answering, error, code):
    response = await (await answering(error)).get("/")

    assert response.content_type == "application/problem+json"
    assert (await response.json(content_type=None))["code"] == code
    assert "<" not in await response.text()
