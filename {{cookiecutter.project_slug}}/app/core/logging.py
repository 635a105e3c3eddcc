"""Logging: JSON lines in production, readable lines in development."""

import logging
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

from app.config import settings

request_id: ContextVar[str] = ContextVar("request_id", default="-")

READABLE_FORMAT = "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"
JSON_FIELDS = ["timestamp", "levelname", "name", "message", "request_id"]
HANDLER_NAME = "app"  # so that the handler is added once


def configure_logging() -> None:
    """Send all log records to standard error, each with its request id."""
    root = logging.getLogger()
    if any(handler.name == HANDLER_NAME for handler in root.handlers):
        return
    handler = logging.StreamHandler()
    handler.name = HANDLER_NAME
    handler.addFilter(_add_request_id)
    handler.setFormatter(_readable_formatter() if settings.DEBUG else _json_formatter())
    root.addHandler(handler)
    logging.getLogger("app").setLevel(logging.INFO)
    _replace_uvicorn_handlers()


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


def _readable_formatter() -> logging.Formatter:
    return logging.Formatter(READABLE_FORMAT)


def _json_formatter() -> logging.Formatter:
    return JsonFormatter(
        JSON_FIELDS,
        rename_fields={"levelname": "level", "name": "logger"},
        reserved_attrs=[*vars(logging.makeLogRecord({})), "color_message"],
        timestamp=True,
    )


def _replace_uvicorn_handlers() -> None:
    """Let uvicorn log through our handler; its access log would be a second line per request."""
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
