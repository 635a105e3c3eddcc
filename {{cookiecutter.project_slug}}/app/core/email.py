"""Mail: composed from the files in `app/core/mails`, sent by SMTP."""

import asyncio
import logging
from email.message import EmailMessage
from html import escape
from pathlib import Path
from string import Template

import aiosmtplib

from app.config import settings

# Read once: a file takes its time, and requests would wait.
TEMPLATES = {
    path.name: Template(path.read_text(encoding="utf-8"))
    for path in (Path(__file__).parent / "mails").iterdir()
}
PAUSES = (0, 5, 30)  # seconds before each try
TIMEOUT = 10  # seconds
logger = logging.getLogger(__name__)


def compose(name: str, recipient: str, **values: str) -> EmailMessage:
    """Return the mail of this name. The first line of its text is the subject."""
    values = {"project": settings.PROJECT_NAME, **values}
    subject, _, text = TEMPLATES[f"{name}.txt"].substitute(values).partition("\n")
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, settings.MAIL_FROM, recipient
    message.set_content(text.lstrip())
    escaped = {key: escape(value) for key, value in values.items()}
    message.add_alternative(TEMPLATES[f"{name}.html"].substitute(escaped), subtype="html")
    return message


async def send(message: EmailMessage) -> None:
    """Send a mail, or say in the log that it could not be sent: to whom and what is not said."""
    if not settings.SMTP_HOST:
        _show(message)
        return
    for pause in PAUSES:
        await asyncio.sleep(pause)
        try:
            await _deliver(message)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            logger.warning("A mail could not be sent: %s.", type(error).__name__)
        else:
            return
    logger.error("A mail was given up after %d tries.", len(PAUSES))


async def _deliver(message: EmailMessage) -> None:
    await aiosmtplib.send(
        message,
        hostname=settings.SMTP_HOST,
        port=settings.SMTP_PORT,
        username=settings.SMTP_USER,
        password=settings.SMTP_PASSWORD.get_secret_value() if settings.SMTP_PASSWORD else None,
        use_tls=settings.SMTP_SECURITY == "tls",
        start_tls=settings.SMTP_SECURITY == "starttls",
        timeout=TIMEOUT,
    )


def _show(message: EmailMessage) -> None:
    """Take the place of a mail server in development, and only there: a link is a secret."""
    body = message.get_body(("plain",))
    if settings.DEBUG and body:
        logger.info("Mail to %s: %s\n%s", message["To"], message["Subject"], body.get_content())
    else:
        logger.error("A mail was not sent: SMTP_HOST is not set.")
