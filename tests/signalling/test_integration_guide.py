"""docs/integration.md: each example that signs a token is run, and the server takes what it made."""

import os
import re
import subprocess
import sys
from pathlib import Path

import playwright
import pytest

from rtc_server.focus.policy import POLICIES
from rtc_server.learner import Learner
from rtc_server.signalling.auth import token_verifier
from tests.signalling.doors import AUDIENCE, SECRET

GUIDE = (Path(__file__).parents[2] / "docs" / "integration.md").read_text()
NODE = Path(playwright.__file__).parent / "driver" / "node"
"""Comes with Playwright, so it is where the tests are."""

# The PHP example line by line, in a language that is here: PHP's functions, and what it does with them.
PHP_IN_PYTHON = """
import base64, hashlib, hmac, json, os, time
def base64url(text): return base64.b64encode(text).decode().translate(str.maketrans('+/', '-_')).rstrip('=')
def json_encode(value): return json.dumps(value, separators=(',', ':')).replace('/', '\\\\/').encode()
header = base64url(json_encode({'alg': 'HS256', 'typ': 'JWT'}))
claims = base64url(json_encode({
    'sub': '7', 'module_id': 3, 'section_id': 2, 'aud': 'rtc-server', 'exp': int(time.time()) + 3600}))
secret, signed = os.environ['RTC_TOKEN_SECRET'].encode(), f'{header}.{claims}'.encode()
signature = base64url(hmac.new(secret, signed, hashlib.sha256).digest())
print(f'{header}.{claims}.{signature}')
"""


def example(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.+?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    return str(found)


def run(*command: str | Path) -> str:
    environment = {"RTC_TOKEN_SECRET": SECRET, "PATH": os.environ["PATH"]}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


def python() -> str:
    return run(sys.executable, "-c", example("python") + "\nprint(rtc_token(7, 3, 2))")


def node() -> str:
    return run(NODE, "-e", example("javascript") + "\nconsole.log(rtcToken(7, 3, 2));")


def php_in_python() -> str:
    return run(sys.executable, "-c", PHP_IN_PYTHON)


@pytest.mark.parametrize("sign", [python, node, php_in_python])
async def test_the_server_takes_the_token_that_the_example_signs(sign):
    tokens = token_verifier(secrets=[SECRET], audience=AUDIENCE, policies=POLICIES)

    assert (await tokens.grant(f"Bearer {sign()}")).learner == Learner(7, 3, 2)


@pytest.mark.parametrize(
    "line",
    [
        "rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=')",
        "$base64url(json_encode(['alg' => 'HS256', 'typ' => 'JWT']))",
        "'sub' => (string) $_SESSION['user_id'], 'module_id' => (int) $_SESSION['module_id'],",
        "'aud' => 'rtc-server', 'exp' => time() + 3600",
        "$base64url(hash_hmac('sha256', \"$header.$claims\", getenv('RTC_TOKEN_SECRET'), true))",
        'echo "$header.$claims.$signature";',
    ],
)
def test_the_php_example_is_what_was_run_in_its_place(line):
    assert line in example("php")


def test_the_guide_names_every_policy():
    row = next(line for line in GUIDE.splitlines() if line.startswith("| `policy`"))

    assert set(re.findall(r"`(\w+)`", row)) - {"policy"} == set(POLICIES)
