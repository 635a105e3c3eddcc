"""Setting types: parse and validate settings; error messages show a valid value."""

import json
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

GENERATE_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
MIN_KEY_LENGTH = 32  # characters
MIN_KEY_ALPHABET = 10  # different characters
PLACEHOLDERS = ("change", "example", "insecure", "password", "placeholder", "secret", "your-")
DATABASES = ("postgres", "postgresql", "sqlite")  # schemes; `app.db.dialects` chooses the driver


@dataclass(frozen=True)
class Rate:
    """A rate limit: at most `attempts` in a window of `seconds`."""

    attempts: int
    seconds: int

    def __str__(self) -> str:
        """Return it as it is written in a setting."""
        return f"{self.attempts}/{self.seconds}"


def _invalid(message: str) -> PydanticCustomError:
    """Return the error of a rejected setting; a ValueError would prefix its message."""
    return PydanticCustomError("invalid_setting", "{message}", {"message": message})


def _check_strength(secret: SecretStr) -> SecretStr:
    """Reject a signing key that can be guessed, or that looks like a JSON key set or PEM."""
    key = secret.get_secret_value()
    is_weak = len(key) < MIN_KEY_LENGTH or len(set(key)) < MIN_KEY_ALPHABET
    is_placeholder = any(word in key.lower() for word in PLACEHOLDERS)
    is_structured = not key.isascii() or key.lstrip().startswith(("{", "[", "-----"))
    if is_weak or is_placeholder or is_structured:
        message = f"must be {MIN_KEY_LENGTH} or more random characters; generate one with: "
        raise _invalid(message + GENERATE_KEY)
    return secret


def _check_database(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.partition("+")[0] not in DATABASES:
        message = "must start with sqlite:// or postgresql://, such as sqlite:///./app.db"
        raise _invalid(message)
    try:
        _ = urlsplit(url).port
    except ValueError:
        message = (
            "must have a port from 0 to 65535, such as postgresql://user:password@host:5432/app"
        )
        raise _invalid(message) from None
    return url


def _parse_list(value: object) -> Any:  # noqa: ANN401 - a list, or what Pydantic rejects
    """Parse a JSON list, or values separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _parse_json(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _parse_json(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        message = "must be a JSON list or values separated by commas, such as a,b"
        raise _invalid(message) from None


def _parse_networks(value: object) -> object:
    networks = _parse_list(value)
    try:
        return [ip_network(str(network)) for network in networks] if networks else []
    except ValueError:
        message = "must be IP addresses or networks, such as 10.0.0.0/8"
        raise _invalid(message) from None


def _check_prefix(prefix: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*)+", prefix):
        message = "must start with / and not end with /, such as /api/v1"
        raise _invalid(message)
    return prefix


def _check_sender(sender: str) -> str:
    if not re.fullmatch(r"[^\s@]+@[^\s@]+|[^\r\n@]*<[^\s@<>]+@[^\s@<>]+>", sender):
        message = "must be an email address, such as noreply@example.com"
        raise _invalid(message)
    return sender


def _parse_rate(value: object) -> object:
    if isinstance(value, Rate):
        return value
    if not re.fullmatch(r"[1-9][0-9]{0,6}/[1-9][0-9]{0,6}", str(value)):
        message = "must be attempts/seconds, such as 5/300"
        raise _invalid(message)
    return Rate(*map(int, str(value).split("/")))


SigningKey = Annotated[SecretStr, AfterValidator(_check_strength)]
DatabaseUrl = Annotated[str, AfterValidator(_check_database)]
CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_parse_list)]
SigningKeys = Annotated[list[SigningKey], NoDecode, BeforeValidator(_parse_list)]
Networks = Annotated[list[IPv4Network | IPv6Network], NoDecode, BeforeValidator(_parse_networks)]
RateSetting = Annotated[Rate, NoDecode, BeforeValidator(_parse_rate)]
Prefix = Annotated[str, AfterValidator(_check_prefix)]
EmailSender = Annotated[str, AfterValidator(_check_sender)]
Port = Annotated[int, Field(ge=1, le=65535)]
