"""Turns a driver's exception into a sentence that says what is wrong and what to do."""

from collections.abc import Iterator

from sqlalchemy.engine import URL

_REFUSED = {1045, 1698, "28P01", "28000"}
"""MySQL's error numbers and PostgreSQL's SQLSTATEs, here and below."""
_DATABASE_UNKNOWN = {1049, "3D000"}
_NOT_PERMITTED = {1044, 1142, 1227, "42501"}


def why_unavailable(url: URL, error: BaseException) -> str:
    """Never contains the password: it names only host, user and database of the URL."""
    codes = set(_codes(error))
    where = f"the database server at {url.host or 'this host'}{f':{url.port}' if url.port else ''}"
    if url.get_backend_name() == "sqlite":
        return f"The database file {url.database} cannot be used: {root_cause(error)}. Check who may write there."
    if codes & _REFUSED:
        return f"User {url.username!r} or the password is refused by {where}: check RTC_DATABASE_URL."
    if codes & _DATABASE_UNKNOWN:
        return f"There is no database {url.database!r} on {where}: create it, or check RTC_DATABASE_URL."
    if codes & _NOT_PERMITTED:
        return (
            f"User {url.username!r} lacks rights in database {url.database!r}: "
            "grant SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER and INDEX."
        )
    cause = "no answer in time" if isinstance(error, TimeoutError) else root_cause(error)
    return f"Cannot use {where} ({cause}): is it running, and is RTC_DATABASE_URL right?"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__


def _codes(error: BaseException) -> Iterator[int | str]:
    for one in _chain(error):
        for code in (getattr(one, "sqlstate", None), *one.args[:1]):
            if isinstance(code, int | str):
                yield code


def root_cause(error: BaseException) -> str:
    """Type of the root cause, or SQLite's own message. Neither contains a value, so it may be logged."""
    *_, root = _chain(error)
    return str(root) if type(root).__module__ == "sqlite3" else type(root).__name__
