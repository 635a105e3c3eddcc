"""Settings: the one reader of the environment and of `.env`."""

import json
import os
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

HOW_TO_MAKE_ONE = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
WELL_KNOWN = ("change", "example", "insecure", "password", "placeholder", "secret", "your-")
DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}


def _strong(secret: SecretStr) -> SecretStr:
    """Refuse a signing key that can be guessed, or that reads as a JSON key set or as PEM."""
    key = secret.get_secret_value()
    guessable = len(key) < 32 or len(set(key)) < 10  # noqa: PLR2004 - the numbers stand in the message
    known = any(word in key.lower() for word in WELL_KNOWN)
    if guessable or known or not key.isascii() or key.lstrip().startswith(("{", "[", "-----")):
        message = f"must be 32 or more random characters; make one with: {HOW_TO_MAKE_ONE}"
        raise ValueError(message)
    return secret


def _with_driver(url: str) -> str:
    """Name the async driver, so that the URL a hosting platform hands out works as it is."""
    scheme, separator, rest = url.partition("://")
    driver = DRIVERS.get(scheme, scheme)
    if not separator or driver not in DRIVERS.values():
        message = "must start with sqlite+aiosqlite:// or postgresql+asyncpg://"
        raise ValueError(message)
    return f"{driver}://{rest}"


def _split(value: object) -> object:
    """Read a JSON list, or values separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)  # what it raises is a ValueError, as of any other rule
    return [part.strip() for part in value.split(",") if part.strip()]


Secret = Annotated[SecretStr, AfterValidator(_strong)]
DatabaseUrl = Annotated[str, AfterValidator(_with_driver)]
Words = Annotated[list[str], NoDecode, BeforeValidator(_split)]
Secrets = Annotated[list[Secret], NoDecode, BeforeValidator(_split)]
Networks = Annotated[list[IPv4Network | IPv6Network], NoDecode, BeforeValidator(_split)]
Limit = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}/[1-9][0-9]{0,6}$")]
Prefix = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)+$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """What may differ from one deployment to the next."""

    model_config = SettingsConfigDict(
        env_file=os.environ.get("ENV_FILE", ".env"),
        env_file_encoding="utf-8",
        case_sensitive=True,
        extra="ignore",  # `.env` is shared with other tools
        frozen=True,
        hide_input_in_errors=True,  # a refused secret must not be printed
    )

    PROJECT_NAME: str = Field(
        "FastAPI Project", description="Title of the API; issuer of its tokens"
    )
    API_V1_PREFIX: Prefix = Field("/api/v1", description="Path that version 1 is served under")
    DEBUG: bool = Field(
        default=False, description="Development: logs for people, mails shown in them, `/docs`"
    )
    DOCS: bool | None = Field(
        None, description="Serve `/docs` and the OpenAPI document; if not set, in development only"
    )
    ALLOWED_HOSTS: Words = Field(
        [], description="Names that are served, such as `*.example.com`; none: any"
    )
    STOP_DELAY_SECONDS: float = Field(
        0, ge=0, description="How long requests are served after SIGTERM, while readiness is 503"
    )
    MAX_BODY_BYTES: int = Field(1024 * 1024, gt=0, description="Longest body of a request, bytes")

    DATABASE_URL: DatabaseUrl = Field(
        description="Where the data is; the scheme decides the dialect"
    )
    DATABASE_ECHO: bool = Field(
        default=False, description="Log every SQL statement, without values"
    )

    DATABASE_POOLER: bool = Field(
        default=False, description="Behind PgBouncer or the like, in transaction mode"
    )

    SECRET_KEY: Secret = Field(description="Signs access tokens: 32 or more random characters")
    SECRET_KEY_FALLBACKS: Secrets = Field([], description="Older keys, whose tokens are still good")
    ACCESS_TOKEN_EXPIRE_MINUTES: int = Field(
        30, gt=0, description="Life of an access token, minutes"
    )
    ALGORITHM: Literal["HS256"] = Field("HS256", description="How tokens are signed")

    SESSION_EXPIRE_DAYS: int = Field(30, gt=0, description="Longest life of a login, days")
    SESSION_IDLE_DAYS: int = Field(7, gt=0, description="Life of a login that is not used, days")

    REGISTRATION_OPEN: bool = Field(default=True, description="Whether anyone may register")
    FRONTEND_URL: str = Field("http://localhost:3000", description="Where links in mails lead")
    VERIFY_EXPIRE_HOURS: int = Field(48, gt=0, description="Life of a link that proves an address")
    RESET_EXPIRE_MINUTES: int = Field(30, gt=0, description="Life of a link to a new password")

    SMTP_HOST: str = Field("", description="Mail server; without one, DEBUG shows mails in the log")
    SMTP_PORT: Port = Field(587, description="Its port")
    SMTP_USER: str | None = Field(None, description="Login of the mail server, if it wants one")
    SMTP_PASSWORD: SecretStr | None = Field(None, description="And its password")
    SMTP_SECURITY: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the way to it is encrypted: `starttls`, `tls` or `none`"
    )
    MAIL_FROM: str = Field("noreply@example.com", description="Sender of mails")

    LOGIN_LIMIT_PER_CLIENT: Limit = Field(
        "5/300",
        description="Logins under way or failed, of one address for one account: tries/seconds",
    )
    LOGIN_LIMIT_PER_ADDRESS: Limit = Field(
        "40/60", description="The same, of one address for any account"
    )
    LOGIN_LIMIT_PER_ACCOUNT: Limit = Field(
        "100/3600", description="The same, for one account, of addresses that are new to it"
    )
    REGISTRATION_LIMIT: Limit = Field("60/60", description="Registrations from one address")
    MAIL_LIMIT_PER_ACCOUNT: Limit = Field("5/3600", description="Mails asked for, for one account")
    MAIL_LIMIT_PER_ADDRESS: Limit = Field("20/3600", description="Mails asked for by one address")
    TRUSTED_PROXIES: Networks = Field(
        [], description="Addresses or networks whose X-Forwarded-For is believed"
    )

    ALLOWED_ORIGINS: Words = Field(
        ["http://localhost:3000"],
        description="Browser origins that may call the API: commas or a JSON list",
    )

    @property
    def docs(self) -> bool:
        """Whether the documentation is served."""
        return self.DEBUG if self.DOCS is None else self.DOCS


def _explain(error: ValidationError) -> str:
    problems = [(e["loc"], e["msg"].removeprefix("Value error, ")) for e in error.errors()]
    lines = [f"  {'.'.join(map(str, loc))}: {message}" for loc, message in problems]
    return "\n".join(
        [
            "The settings (environment variables or .env) are not usable:",
            *lines,
            "README.md lists them all; `make .env` writes a file that works, if there is none.",
        ]
    )


@lru_cache
def get_settings() -> Settings:
    """Return the settings.

    Raises:
        SystemExit: if they are not usable. A service without them cannot start, and the
            operator is told what is wrong in words, not in a traceback.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit(_explain(error)) from None


settings = get_settings()
