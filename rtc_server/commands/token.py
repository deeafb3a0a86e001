"""`rtc-server token`: prints a learner's token, as the platform would sign it. For tests."""

import argparse

from rtc_server.errors import SettingsError
from rtc_server.focus.policy import POLICIES, READING
from rtc_server.learner import MAX_NAME, Learner
from rtc_server.settings import Settings

HELP = "print a token signed with RTC_TOKEN_SECRET"

MAX_TTL_S = 24 * 3600
"""A server refuses one that lives longer."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", type=_identifier, required=True, metavar="ID", help="user_id of the learner")
    parser.add_argument("--module", type=_identifier, required=True, metavar="ID", help="module_id")
    parser.add_argument("--section", type=_identifier, metavar="ID", help="section_id, if the module has sections")
    parser.add_argument(
        "--policy", choices=sorted(POLICIES), default=READING.name, help=f"what the learner does ({READING.name})"
    )
    parser.add_argument(
        "--role", choices=["learner", "teacher"], default="learner", help="role of the token's owner (learner)"
    )
    parser.add_argument(
        "--modules",
        type=_identifier,
        nargs="+",
        default=[],
        metavar="ID",
        help="more modules whose sessions may be read",
    )
    parser.add_argument("--name", type=_name, help="what the learner is called on a teacher's page")
    parser.add_argument(
        "--ttl", type=_lifetime, default=3600, metavar="SECONDS", help="seconds until it expires (3600)"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from rtc_server.web.access.auth import mint_token
    from rtc_server.web.access.signing_keys import SharedSecrets

    if settings.token_secret is None:
        raise SettingsError("Set RTC_TOKEN_SECRET to the secret that the server has.")
    secret = settings.token_secret.get_secret_value()
    SharedSecrets([secret])  # refuses one that the server would refuse
    token = mint_token(
        secret,
        Learner(arguments.user, arguments.module, arguments.section),
        audience=settings.token_audience,
        issuer=settings.token_issuer,
        policy=arguments.policy,
        role=arguments.role,
        modules=arguments.modules,
        name=arguments.name,
        ttl_s=arguments.ttl,
    )
    print(token)
    return 0


def _identifier(text: str) -> int:
    return _whole_number(text, 1, 2**31 - 1)


def _name(text: str) -> str:
    if not 0 < len(text) <= MAX_NAME or not text.isprintable():
        raise argparse.ArgumentTypeError(f"must be 1 to {MAX_NAME} printable characters")
    return text


def _lifetime(text: str) -> int:
    return _whole_number(text, 1, MAX_TTL_S)


def _whole_number(text: str, least: int, greatest: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= greatest:
        raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {greatest}")
    return int(text)
