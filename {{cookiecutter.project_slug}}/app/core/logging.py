"""Logs: lines of JSON for machines in production, lines for people in development."""

import logging
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

from app.config import settings

request_id: ContextVar[str] = ContextVar("request_id", default="-")

READABLE = "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"
FIELDS = ["timestamp", "levelname", "name", "message", "request_id"]
NAME = "app"  # of our handler, so that it is added once


def configure_logging() -> None:
    """Send all logs to standard error, each line with the id of its request."""
    root = logging.getLogger()
    if any(handler.name == NAME for handler in root.handlers):
        return
    handler = logging.StreamHandler()
    handler.name = NAME
    handler.addFilter(_add_request_id)
    handler.setFormatter(_readable() if settings.DEBUG else _json())
    root.addHandler(handler)
    logging.getLogger("app").setLevel(logging.INFO)
    _take_over_uvicorn()


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


def _readable() -> logging.Formatter:
    return logging.Formatter(READABLE)


def _json() -> logging.Formatter:
    return JsonFormatter(
        FIELDS,
        rename_fields={"levelname": "level", "name": "logger"},
        reserved_attrs=[*vars(logging.makeLogRecord({})), "color_message"],
        timestamp=True,
    )


def _take_over_uvicorn() -> None:
    """Let the server log through us. Its own line for each request would be a second one."""
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
