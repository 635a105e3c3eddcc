"""Logging: JSON lines in production, readable lines in development."""

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

from pydantic_core import PydanticSerializationError, to_json

from app.config import settings

request_id: ContextVar[str] = ContextVar("request_id", default="-")

FORMAT = "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"
STANDARD_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"}
HANDLER_NAME = "app"  # so that the handler is added once
# What PostgreSQL adds to a message: values of rows, such as emails.
DETAIL = re.compile(
    r"\n[ |]*DETAIL:.*?(?=\n[ |]*(\[SQL|\(Background|The above|During )|\Z)", re.DOTALL
)


ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class ReadableFormatter(logging.Formatter):
    """A line for each record, and tracebacks without the values of rows."""

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 - as in `logging`
        """Return a traceback."""
        return DETAIL.sub("", super().formatException(ei))


class JsonFormatter(ReadableFormatter):
    """One JSON object for each record; what was passed as `extra` becomes fields of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON."""
        fields: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in STANDARD_FIELDS},
        }
        if record.exc_info:
            fields["exc_info"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack_info"] = record.stack_info
        try:
            return to_json(fields, fallback=str).decode()
        except PydanticSerializationError:  # such as lone surrogates
            return json.dumps(fields, default=str)


def configure_logging() -> None:
    """Send all log records to standard error, each with its request id."""
    root = logging.getLogger()
    if any(handler.name == HANDLER_NAME for handler in root.handlers):
        return
    handler = logging.StreamHandler()
    handler.name = HANDLER_NAME
    handler.addFilter(_add_request_id)
    handler.setFormatter(ReadableFormatter(FORMAT) if settings.DEBUG else JsonFormatter())
    root.addHandler(handler)
    logging.getLogger("app").setLevel(logging.INFO)
    _replace_uvicorn_handlers()
    _omit_unused_fields()


def configure_command_logging() -> None:
    """Log security events only: a command prints its errors itself."""
    handler = logging.StreamHandler()
    handler.addFilter(logging.Filter("app.security"))
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.CRITICAL, handlers=[handler])
    logging.getLogger("app.security").setLevel(logging.INFO)


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


def _replace_uvicorn_handlers() -> None:
    """Let uvicorn log through our handler; its access log would be a second line per request."""
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.error").addFilter(_has_no_query)
    access_log = logging.getLogger("uvicorn.access")
    access_log.handlers.clear()
    access_log.propagate = False


def _has_no_query(record: logging.LogRecord) -> bool:
    """Return whether it is not uvicorn's line of a WebSocket, whose query may hold a token."""
    return '"WebSocket %s"' not in str(record.msg)


def _omit_unused_fields() -> None:
    """Do not look up what no format shows (Python's "Logging HOWTO", "Optimization")."""
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
        setattr(logging, name, False)
