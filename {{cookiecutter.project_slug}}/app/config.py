"""Settings, from environment variables and `.env`, and project metadata, from pyproject.toml."""

import os
import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.setting_types import (
    BaseUrl,
    DatabaseUrl,
    EmailSender,
    Hostname,
    Hosts,
    Networks,
    Origins,
    Port,
    Prefix,
    Rate,
    RateSetting,
    SigningKey,
    SigningKeys,
    invalid,
)

FOLDER = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
# That of the project, from any working folder.
ENV_FILE = Path(os.environ.get("ENV_FILE") or FOLDER / ".env")

QUOTED = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)')\s*""")
REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*")
MESSAGES = {  # that say what is right, where Pydantic's say what is wrong
    "bool_parsing": "must be true or false",
    "float_parsing": "must be a number",
    "int_parsing": "must be a whole number",
    "missing": "must be set",
}
MAX_DAYS = 3650
MAX_HOURS = MAX_DAYS * 24
MAX_MINUTES = MAX_HOURS * 60


class Settings(BaseSettings):
    """Settings from environment variables and `.env`."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",  # also as some editors on Windows save it
        env_ignore_empty=True,  # `NAME=` means "not set", as in `${NAME:-}` of Compose
        case_sensitive=True,
        extra="ignore",  # `.env` is shared with other tools
        frozen=True,
        hide_input_in_errors=True,  # a rejected secret must not be printed
    )

    PROJECT_NAME: str = Field(
        "FastAPI Project", min_length=1, description="Title of the API, and issuer of its tokens"
    )
    API_V1_PREFIX: Prefix = Field("/api/v1", description="Path prefix of version 1")
    DEBUG: bool = Field(
        default=False, description="Development mode: readable logs, emails in the log, `/docs`"
    )
    DOCS: bool | None = Field(
        None, description="Serve `/docs` and the OpenAPI document; by default in development only"
    )
    ALLOWED_HOSTS: Hosts = Field(
        [], description="Allowed Host headers, such as `*.example.com`; empty allows any"
    )
    STOP_DELAY_SECONDS: float = Field(
        0,
        ge=0,
        le=3600,
        description="Seconds to serve requests after SIGTERM, while readiness is 503",
    )
    MAX_BODY_BYTES: int = Field(
        1024 * 1024, gt=0, description="Maximum size of a request body in bytes"
    )

    DATABASE_URL: DatabaseUrl = Field(description="Database URL: `sqlite://` or `postgresql://`")
    DATABASE_ECHO: bool = Field(default=False, description="Log SQL statements, without values")
    DATABASE_POOLER: bool = Field(
        default=False, description="Connect through PgBouncer or the like in transaction mode"
    )

    SECRET_KEY: SigningKey = Field(
        description="Signing key of access tokens: 32 or more characters"
    )
    SECRET_KEY_FALLBACKS: SigningKeys = Field(
        [], description="Previous signing keys, whose tokens are still accepted"
    )
    ACCESS_TOKEN_EXPIRE_MINUTES: int = Field(
        30, gt=0, le=MAX_MINUTES, description="Lifetime of an access token in minutes"
    )
    ALGORITHM: Literal["HS256"] = Field("HS256", description="Signing algorithm of access tokens")
    SESSION_EXPIRE_DAYS: int = Field(
        30, gt=0, le=MAX_DAYS, description="Absolute timeout of a user session in days"
    )
    SESSION_IDLE_DAYS: int = Field(
        7, gt=0, le=MAX_DAYS, description="Idle timeout of a user session in days"
    )

    REGISTRATION_OPEN: bool = Field(default=True, description="Whether anyone may register")
    REQUIRE_VERIFIED_EMAIL: bool = Field(
        default=False, description="Whether login requires a verified email"
    )
    PASSWORD_MIN_LENGTH: int = Field(
        8, ge=8, le=64, description="Minimum length of a new password in characters"
    )
    FRONTEND_URL: BaseUrl = Field(
        "http://localhost:3000", description="Base URL of links in emails"
    )
    VERIFY_EXPIRE_HOURS: int = Field(
        48, gt=0, le=MAX_HOURS, description="Lifetime of an email verification token in hours"
    )
    UNDO_EXPIRE_HOURS: int = Field(
        168, gt=0, le=MAX_HOURS, description="Hours in which the old email can undo its change"
    )
    RESET_EXPIRE_MINUTES: int = Field(
        60, gt=0, le=MAX_MINUTES, description="Lifetime of a password reset token in minutes"
    )

    SMTP_HOST: Hostname = Field(
        "", description="SMTP server; if empty, emails are logged with `DEBUG` and not sent"
    )
    SMTP_PORT: Port = Field(587, description="SMTP port")
    SMTP_USER: str | None = Field(None, description="SMTP user name, if the server requires one")
    SMTP_PASSWORD: SecretStr | None = Field(
        None, validate_default=True, description="SMTP password"
    )
    SMTP_SECURITY: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="SMTP encryption: `starttls`, `tls` or `none`"
    )
    EMAIL_FROM: EmailSender = Field("noreply@example.com", description="Sender of emails")

    LOGIN_RATE_PER_IP_AND_EMAIL: RateSetting = Field(
        Rate(5, 300),
        description="Login rate limit per client IP and email: attempts/seconds",
    )
    LOGIN_RATE_PER_IP: RateSetting = Field(
        Rate(40, 60), description="Login rate limit per client IP: attempts/seconds"
    )
    LOGIN_RATE_PER_EMAIL: RateSetting = Field(
        Rate(100, 3600),
        description="Login rate limit per email, except from known clients: attempts/seconds",
    )
    PASSWORD_CONFIRMATION_RATE_PER_SESSION: RateSetting = Field(
        Rate(5, 300),
        description="Rate limit for wrong current passwords per session: attempts/seconds",
    )
    REGISTRATION_RATE_PER_IP: RateSetting = Field(
        Rate(60, 60), description="Registration rate limit per client IP: attempts/seconds"
    )
    EMAIL_CHANGE_RATE_PER_USER: RateSetting = Field(
        Rate(5, 3600), description="Rate limit for email changes per user: changes/seconds"
    )
    EMAIL_RATE_PER_IP: RateSetting = Field(
        Rate(20, 3600), description="Rate limit for requested emails per client IP: emails/seconds"
    )
    EMAIL_RATE_PER_RECIPIENT: RateSetting = Field(
        Rate(5, 3600),
        description="Rate limit for emails per recipient; notices have their own: emails/seconds",
    )
    TRUSTED_PROXIES: Networks = Field(
        [], description="IP addresses or networks of proxies whose X-Forwarded-For is trusted"
    )

    ALLOWED_ORIGINS: Origins | None = Field(
        None,
        description="CORS origins: separated by commas, or a JSON list; by default "
        "`http://localhost:3000` in development, and none otherwise",
    )
    HSTS_SECONDS: int = Field(
        31536000,
        ge=0,
        description="Seconds for which browsers use HTTPS only, except in development; or 0",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _strip(cls, value: object) -> object:
        """Remove white space around a value, such as the line end of a mounted secret, and quotes.

        `docker run --env-file` keeps the quotes that `.env` files may have, and `${NAME}`.
        """
        if not isinstance(value, str):
            return value
        if found := REFERENCE.search(value):
            message = f"has {found[0]}, which only .env files and Compose replace by its value"
            raise invalid(message)
        quoted = QUOTED.fullmatch(value)
        return quoted[quoted.lastindex or 0] if quoted else value.strip()

    @field_validator("UNDO_EXPIRE_HOURS")
    @classmethod
    def _outlasts_the_verification(cls, hours: int, others: ValidationInfo) -> int:
        if hours < others.data.get("VERIFY_EXPIRE_HOURS", 0):
            message = "must not be less than VERIFY_EXPIRE_HOURS, in which a change takes effect"
            raise invalid(message)
        return hours

    @field_validator("EMAIL_RATE_PER_RECIPIENT")
    @classmethod
    def _lets_owners_recover(cls, rate: Rate, others: ValidationInfo) -> Rate:
        if rate.seconds > 60 * others.data.get("RESET_EXPIRE_MINUTES", MAX_MINUTES):
            message = (
                "must not have a longer time than RESET_EXPIRE_MINUTES: strangers could request "
                "all emails, and the tokens in them would expire before another one is sent"
            )
            raise invalid(message)
        return rate

    @field_validator("SMTP_HOST")
    @classmethod
    def _requires_links(cls, host: str, others: ValidationInfo) -> str:
        if host and not (others.data.get("DEBUG") or _is_https(others.data.get("FRONTEND_URL"))):
            message = "requires FRONTEND_URL, such as https://app.example.com: emails link there"
            raise invalid(message)
        return host

    @field_validator("SMTP_PASSWORD")
    @classmethod
    def _belongs_to_a_user(
        cls, password: SecretStr | None, others: ValidationInfo
    ) -> SecretStr | None:
        if bool(password) != bool(others.data.get("SMTP_USER")):
            message = "must be set together with SMTP_USER, or none of them"
            raise invalid(message)
        return password

    @property
    def docs(self) -> bool:
        """Whether `/docs` and the OpenAPI document are served."""
        return self.DEBUG if self.DOCS is None else self.DOCS

    @property
    def origins(self) -> list[str]:
        """CORS origins."""
        if self.ALLOWED_ORIGINS is None:
            return ["http://localhost:3000"] if self.DEBUG else []
        return self.ALLOWED_ORIGINS


def _is_https(url: object) -> bool:
    return str(url).startswith("https://")


def _explain(error: ValidationError) -> str:
    lines = [f"  {'.'.join(map(str, e['loc']))}: {_message(e)}" for e in error.errors()]
    found = "" if ENV_FILE.is_file() else ", which is not a file"
    return "\n".join(
        [
            f"Invalid settings (environment variables or {ENV_FILE}{found}):",
            *lines,
            "README.md lists all settings; `make .env` writes a working file if there is none.",
        ]
    )


def _message(details: ErrorDetails) -> str:
    return MESSAGES.get(details["type"], details["msg"])


@lru_cache
def get_settings() -> Settings:
    """Return the settings.

    Raises:
        SystemExit: with one line for each setting that is missing or invalid.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit(_explain(error)) from None
    except UnicodeDecodeError:
        message = f"{ENV_FILE} is not UTF-8 text: save it again with the encoding UTF-8."
        raise SystemExit(message) from None
    except OSError as error:
        message = f"{ENV_FILE} cannot be read: {error.strerror}."
        raise SystemExit(message) from None


settings = get_settings()
