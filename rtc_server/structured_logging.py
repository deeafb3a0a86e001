"""Writes the log as one JSON object a line, without personal data: no token, no SDP, no metric.

What a caller passes as `extra={…}` becomes fields. The message itself is a fixed sentence.
"""

import json
import logging
import sys
from datetime import UTC, datetime

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    def __init__(self, worker: int | None = None) -> None:
        """worker: which one of several this process is."""
        super().__init__()
        self._always = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        entry |= self._always
        entry |= {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


class LostConnections(logging.Filter):
    """Replaces SQLAlchemy's error and traceback about a broken connection with one short warning.

    SQLAlchemy logs it when it drops a connection after the database was stopped or the network was cut, which is no
    error of ours. The store logs whether anything could not be saved.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("sqlalchemy.pool") and record.exc_info and record.levelno == logging.ERROR:
            error = record.exc_info[0]
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
            record.msg, record.args = "a broken connection to the database was dropped", ()
            record.exc_info, record.exc_text = None, None
            record.__dict__["error"] = error.__name__ if error else None
        return True


def configure_logging(level: str, worker: int | None = None) -> None:
    """Sends our own events at `level` to standard error, and the libraries' from warnings on.

    worker: which one of several this process is; each line says so.
    aioice and aiortc log addresses and whole descriptions at lower levels: those stay off.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(worker))
    handler.addFilter(LostConnections())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("rtc_server").setLevel(level.upper())
