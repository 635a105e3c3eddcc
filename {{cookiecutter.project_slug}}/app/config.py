"""Settings: the one reader of the environment and of `.env`."""

import json
import os
from functools import lru_cache
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
    if guessable or known or not key.isascii() or key.lstrip().startswith(("{", "[", "-")):
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
    API_V1_PREFIX: str = Field("/api/v1", description="Path that version 1 is served under")
    DEBUG: bool = Field(default=False, description="Development: log verbosely")

    DATABASE_URL: DatabaseUrl = Field(
        description="Where the data is; the scheme decides the dialect"
    )
    DATABASE_ECHO: bool = Field(
        default=False, description="Log every SQL statement, without values"
    )

    SECRET_KEY: Secret = Field(description="Signs access tokens: 32 or more random characters")
    ACCESS_TOKEN_EXPIRE_MINUTES: int = Field(
        30, gt=0, description="Life of an access token, minutes"
    )
    ALGORITHM: Literal["HS256"] = Field("HS256", description="How tokens are signed")

    ALLOWED_ORIGINS: Words = Field(
        ["http://localhost:3000"],
        description="Browser origins that may call the API: commas or a JSON list",
    )


def _explain(error: ValidationError) -> str:
    lines = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
    return "\n".join(["The settings (environment variables or .env) are not usable:", *lines])


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
