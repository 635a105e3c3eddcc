"""Email: rendered from the templates in `app/core/emails`, sent by SMTP with retries."""

import asyncio
import logging
import re
from collections import deque
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import make_msgid, parseaddr
from html import escape
from pathlib import Path
from string import Template

import aiosmtplib
from email_validator import validate_email

from app.config import settings

# Read at import: reading a file would block the event loop.
TEMPLATES = {
    path.name: Template(path.read_text(encoding="utf-8"))
    for path in (Path(__file__).parent / "emails").iterdir()
}
RETRY_DELAYS = (0, 5, 30)  # seconds before each attempt
SMTP_TIMEOUT = 10  # seconds
ADDRESS = re.compile(r"[^\s<>@]+@[^\s<>@]+")
MAX_REASON_LENGTH = 200  # characters
outbox: deque[EmailMessage] = deque(maxlen=100)  # of development, since the start
logger = logging.getLogger(__name__)


def render(template: str, recipient: str, **values: str) -> EmailMessage:
    """Render an email from a template. The first line of the text is the subject.

    RFC 5322 §3.6 requires a date, and recommends a message id: without them, it looks like spam.
    """
    values = {"project": settings.PROJECT_NAME, **values}
    subject, _, text = TEMPLATES[f"{template}.txt"].substitute(values).partition("\n")
    message = EmailMessage()
    message["Subject"], message["From"] = subject, settings.EMAIL_FROM
    message["To"] = _with_ascii_domain(recipient)
    message["Date"] = datetime.now(UTC)
    _, sender = parseaddr(settings.EMAIL_FROM)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message.set_content(text.lstrip())
    escaped = {key: escape(value) for key, value in values.items()}
    message.add_alternative(TEMPLATES[f"{template}.html"].substitute(escaped), subtype="html")
    return message


def warn_if_emails_are_discarded() -> None:
    """Log that no email is sent, as nobody would notice before a user needs one."""
    if not settings.SMTP_HOST and not settings.DEBUG:
        logger.warning("SMTP_HOST is not set: emails, such as verification links, are discarded.")


async def send(message: EmailMessage) -> None:
    """Send an email, or log that it failed; recipient and content stay out of the log."""
    if not settings.SMTP_HOST:
        _log_instead(message)
        return
    for delay in RETRY_DELAYS:
        await asyncio.sleep(delay)
        try:
            await _deliver(message)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            logger.warning("Sending an email failed: %s", _reason(error))
        else:
            return
    logger.error("An email was not sent after %d attempts.", len(RETRY_DELAYS))


async def _deliver(message: EmailMessage) -> None:
    await aiosmtplib.send(
        message,
        hostname=settings.SMTP_HOST,
        port=settings.SMTP_PORT,
        username=settings.SMTP_USER,
        password=settings.SMTP_PASSWORD.get_secret_value() if settings.SMTP_PASSWORD else None,
        use_tls=settings.SMTP_SECURITY == "tls",
        start_tls=settings.SMTP_SECURITY == "starttls",
        timeout=SMTP_TIMEOUT,
    )


def _with_ascii_domain(recipient: str) -> str:
    """Return the address with its domain in IDNA: not every server accepts others (RFC 6531)."""
    local, _, domain = recipient.rpartition("@")
    if domain.isascii():
        return recipient
    parsed = validate_email(recipient, check_deliverability=False)
    return f"{local}@{parsed.ascii_domain}"


def _reason(error: Exception) -> str:
    """Return the class of the error and the server's reason, without addresses."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    reason = f"{getattr(error, 'code', '')} {getattr(error, 'message', error)}"
    text = ADDRESS.sub("…", " ".join(reason.split()))
    return f"{type(error).__name__}: {text[:MAX_REASON_LENGTH]}"


def _log_instead(message: EmailMessage) -> None:
    """Log and keep the email in development; in production, it contains a secret token."""
    body = message.get_body(("plain",))
    if settings.DEBUG and body:
        outbox.append(message)
        logger.info("Email to %s: %s\n%s", message["To"], message["Subject"], body.get_content())
    else:
        logger.error("An email was not sent: SMTP_HOST is not set.")
