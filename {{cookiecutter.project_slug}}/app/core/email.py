"""Email: rendered from the templates in `app/core/emails`, sent by SMTP with retries."""

import asyncio
import logging
from email.message import EmailMessage
from html import escape
from pathlib import Path
from string import Template

import aiosmtplib

from app.config import settings

# Read at import: reading a file would block the event loop.
TEMPLATES = {
    path.name: Template(path.read_text(encoding="utf-8"))
    for path in (Path(__file__).parent / "emails").iterdir()
}
RETRY_DELAYS = (0, 5, 30)  # seconds before each attempt
SMTP_TIMEOUT = 10  # seconds
logger = logging.getLogger(__name__)


def render(template: str, recipient: str, **values: str) -> EmailMessage:
    """Render an email from a template. The first line of the text is the subject."""
    values = {"project": settings.PROJECT_NAME, **values}
    subject, _, text = TEMPLATES[f"{template}.txt"].substitute(values).partition("\n")
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, settings.EMAIL_FROM, recipient
    message.set_content(text.lstrip())
    escaped = {key: escape(value) for key, value in values.items()}
    message.add_alternative(TEMPLATES[f"{template}.html"].substitute(escaped), subtype="html")
    return message


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
            logger.warning("Sending an email failed: %s.", type(error).__name__)
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


def _log_instead(message: EmailMessage) -> None:
    """Log the email in development; in production, it contains a secret token."""
    body = message.get_body(("plain",))
    if settings.DEBUG and body:
        logger.info("Email to %s: %s\n%s", message["To"], message["Subject"], body.get_content())
    else:
        logger.error("An email was not sent: SMTP_HOST is not set.")
