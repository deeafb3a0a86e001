"""Logs as one JSON object a line. They hold what happened, never to whom: no token, no SDP, no metric.

Whatever a caller passes as `extra={…}` becomes a field; the message itself is a fixed sentence.
"""

import json
import logging
import sys
from datetime import UTC, datetime

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        entry |= {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


class LostConnections(logging.Filter):
    """Makes one short warning of SQLAlchemy's error, with a traceback, about a connection that was already broken.

    It says so while it drops the connection, which is right: a database was stopped, or a network was cut. Whether
    anything was lost by that is told by the store.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("sqlalchemy.pool") and record.exc_info and record.levelno == logging.ERROR:
            error = record.exc_info[0]
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
            record.msg, record.args = "a broken connection to the database was dropped", ()
            record.exc_info, record.exc_text = None, None
            record.__dict__["error"] = error.__name__ if error else None
        return True


def configure_logging(level: str) -> None:
    """Sends our own events at `level` to standard error, and the libraries' from warnings on.

    aioice and aiortc log addresses and whole descriptions at lower levels: those stay off.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(LostConnections())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("rtc_server").setLevel(level.upper())
