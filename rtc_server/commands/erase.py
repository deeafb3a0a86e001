"""`rtc-server erase --user ID`: deletes everything that is stored about one user."""

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from rtc_server.settings import Settings

if TYPE_CHECKING:
    from rtc_server.store.outbox.outbox import Outbox
    from rtc_server.store.retention import Removed

HELP = "delete everything that is stored about one user"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", type=int, required=True, metavar="ID", help="the platform's user_id")
    parser.add_argument(
        "--platform-rows",
        action="store_true",
        help="also every row of this user in eye_tracking_sessions, whoever wrote it",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from rtc_server.composition.outbox import make_outbox
    from rtc_server.store.spool.connection import unreadable_files

    removed = asyncio.run(
        _erase(
            settings.database_url.get_secret_value(),
            settings.spool,
            arguments.user,
            with_platform_rows=arguments.platform_rows,
            outbox=make_outbox(settings),
        )
    )
    print(
        f"Removed {removed.focus_sessions} focus sessions with {removed.spans} spans, {removed.spooled} that waited "
        f"for the database, and {removed.platform_rows} rows of eye_tracking_sessions."
    )
    if unreadable := len(unreadable_files(settings.spool)):
        print(
            f"{unreadable} files in {settings.spool}/unreadable cannot be read and may be of this user: "
            "look at them, and remove them."
        )
    return 0


async def _erase(
    database_url: str, spool: Path, user_id: int, *, with_platform_rows: bool, outbox: "Outbox"
) -> "Removed":
    from rtc_server.store.engine import open_store
    from rtc_server.store.retention import erase

    engine = await open_store(database_url)
    try:
        return await erase(engine, spool, user_id, with_platform_rows=with_platform_rows, outbox=outbox)
    finally:
        await engine.dispose()
