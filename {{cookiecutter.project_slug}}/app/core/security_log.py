"""Security log: one line for each event that concerns an account (logger `app.security`).

Actor, client IP and request id are those of the request. Emails are hashed: lines about one email
can be found, and the log reveals none.
"""

import logging
from contextvars import ContextVar
from enum import StrEnum

from app.core.security import sha256_hex

client_ip: ContextVar[str] = ContextVar("client_ip", default="")
actor_id: ContextVar[int | None] = ContextVar("actor_id", default=None)

logger = logging.getLogger("app.security")


def start_security_context() -> None:
    """Forget actor and client IP of an earlier request: tests have one context for all."""
    client_ip.set("")
    actor_id.set(None)


class SecurityEvent(StrEnum):
    """What happened. The names are part of the log's format, on which alerts depend."""

    ACCOUNT_ACTIVATED = "account_activated"
    ACCOUNT_DEACTIVATED = "account_deactivated"
    ACCOUNT_DELETED = "account_deleted"
    ACCOUNT_REGISTERED = "account_registered"
    EMAIL_CHANGE_REQUESTED = "email_change_requested"
    EMAIL_CHANGE_UNDONE = "email_change_undone"
    EMAIL_CHANGED = "email_changed"
    EMAIL_VERIFIED = "email_verified"
    LOGIN_FAILED = "login_failed"
    LOGIN_SUCCEEDED = "login_succeeded"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - an event, not a secret
    PASSWORD_CONFIRMATION_FAILED = "password_confirmation_failed"  # noqa: S105 - likewise
    PRIVILEGES_CHANGED = "privileges_changed"
    RATE_LIMITED = "rate_limited"
    REPLAY_DETECTED = "replay_detected"
    SESSIONS_ENDED = "sessions_ended"


def log_security_event(
    event: SecurityEvent,
    *,
    target_id: int | None = None,
    email: str | None = None,
    reason: str | None = None,
) -> None:
    """Log an event.

    Args:
        event: What happened.
        target_id: Id of the user that it concerns, if it is known.
        email: Email whose hash is logged.
        reason: Code of an error, or name of a rate limit.
    """
    fields = {
        "event": event.value,
        "actor_id": actor_id.get(),
        "target_id": target_id,
        "client_ip": client_ip.get(),
        "email_hash": email and sha256_hex(email),
        "reason": reason,
    }
    text = "%(event)s: actor %(actor_id)s, target %(target_id)s, client %(client_ip)s"
    logger.info(f"{text}, %(reason)s" if reason else text, fields, extra=fields)
