"""`rtc-server db upgrade`: the tables, ready before a server starts."""

import argparse
import asyncio

from rtc_server.settings import Settings

NAME = "db"
HELP = "prepare the database: create the tables, or bring them up to date"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser(
        "upgrade",
        help="create what is missing and bring our own tables up to date; the platform's table is never altered",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    asyncio.run(_upgrade(settings.database_url.get_secret_value()))
    print("The database is up to date.")
    return 0


async def _upgrade(database_url: str) -> None:
    from rtc_server.store.engine import open_store

    engine = await open_store(database_url)
    await engine.dispose()
