"""`rtc-server outbox`: what other systems are still to be told, and what could not be sent."""

import argparse
import asyncio
from typing import TYPE_CHECKING

from rtc_server.settings import Settings

if TYPE_CHECKING:
    from rtc_server.store.outbox.rows import Waiting

HELP = "list the events that wait to be sent and those that are dead; send the dead ones again, or delete them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "An event is dead when it could not be sent for about a day, when the receiver wants no more (410), or when "
        "sending it again could count something twice. It stays until you decide. A running server notices at once."
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--retry-dead", action="store_true", help="have all dead events sent again, as if they were new"
    )
    either.add_argument("--drop-dead", action="store_true", help="delete all dead events; nobody is told of them")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    changed, found = asyncio.run(
        _look(settings.database_url.get_secret_value(), retry_dead=arguments.retry_dead, drop_dead=arguments.drop_dead)
    )
    if arguments.retry_dead:
        print(f"{changed} dead events are sent again.")
    if arguments.drop_dead:
        print(f"Deleted {changed} dead events.")
    for one in found:
        print(f"{one.sink}: {one.waiting} waiting, {one.dead} dead; the oldest is of {one.oldest:%Y-%m-%d %H:%M} UTC")
        if one.last_error is not None:
            print(f"  last error: {one.last_error}")
    if not found:
        print("Nothing waits, and nothing is dead.")
    return 0


async def _look(database_url: str, *, retry_dead: bool, drop_dead: bool) -> "tuple[int, list[Waiting]]":
    from rtc_server.store.engine import open_store
    from rtc_server.store.outbox.rows import OutboxTransactions

    engine = await open_store(database_url)
    try:
        rows = OutboxTransactions(engine)
        changed = await rows.retry_dead() if retry_dead else await rows.drop_dead() if drop_dead else 0
        return changed, await rows.survey()
    finally:
        await engine.dispose()
