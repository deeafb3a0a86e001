"""`rtc-server token` prints what the server takes."""

import argparse
import time

import jwt
import pytest

from rtc_server.commands import token
from rtc_server.errors import SettingsError
from rtc_server.learner import Learner
from rtc_server.settings import Settings
from rtc_server.web.access.auth import token_verifier

SECRET = "a secret of the tests, 32 bytes or more"


def run(*options: str, **settings: str) -> int:
    parser = argparse.ArgumentParser()
    token.add_arguments(parser)
    return token.run(parser.parse_args(options), Settings(_env_file=None, **settings))


async def test_the_server_takes_it(capsys):
    chosen = ("--user", "7", "--module", "3", "--section", "2", "--policy", "video", "--role", "teacher", "--ttl", "60")

    assert run(*chosen, token_secret=SECRET, token_issuer="lms") == 0

    tokens = token_verifier(secrets=[SECRET], audience="rtc-server", issuer="lms", policies=["video"])
    printed = capsys.readouterr().out.strip()
    grant = await tokens.grant(f"Bearer {printed}")
    assert grant.learner == Learner(7, 3, 2)
    assert (grant.policy, grant.role) == ("video", "teacher")
    expires_at = jwt.decode(printed, options={"verify_signature": False})["exp"]
    assert expires_at == pytest.approx(time.time() + 60, abs=10)


async def test_the_server_takes_the_longest_lived_too(capsys):
    run("--user", "7", "--module", "3", "--ttl", str(token.MAX_TTL_S), token_secret=SECRET)

    tokens = token_verifier(secrets=[SECRET], audience="rtc-server", policies=["reading"])
    assert (await tokens.grant(f"Bearer {capsys.readouterr().out.strip()}")).learner == Learner(7, 3)


@pytest.mark.parametrize("settings", [{}, {"token_secret": "short"}], ids=["no secret", "a short one"])
def test_without_a_sound_secret_it_says_so(settings):
    with pytest.raises(SettingsError, match="RTC_TOKEN_SECRET"):
        run("--user", "7", "--module", "3", **settings)


@pytest.mark.parametrize(
    "options",
    [
        ("--user", "7"),
        ("--user", "0", "--module", "3"),
        ("--user", "me", "--module", "3"),
        ("--user", "7", "--module", "2147483648"),
        ("--user", "7", "--module", "3", "--ttl", "86401"),
        ("--user", "7", "--module", "3", "--role", "admin"),
        ("--user", "7", "--module", "3", "--policy", "gaming"),
    ],
)
def test_what_no_token_could_hold_is_a_usage_error(options, capsys):
    with pytest.raises(SystemExit):
        run(*options, token_secret=SECRET)

    assert "usage" in capsys.readouterr().err
