"""Signing keys, lists, networks, rate limits and ports."""

import json
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from app.setting_types.errors import invalid

GENERATE_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
MIN_KEY_LENGTH = 32  # characters
MIN_KEY_ALPHABET = 10  # different characters
IPV6 = re.compile(r"\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*\]")  # in brackets, which is not a JSON list
PLACEHOLDERS = ("change", "example", "insecure", "password", "placeholder", "secret", "your-")


@dataclass(frozen=True)
class Rate:
    """A rate limit: at most `attempts` in a window of `seconds`."""

    attempts: int
    seconds: int

    def __str__(self) -> str:
        """Return it as it is written in a setting."""
        return f"{self.attempts}/{self.seconds}"


def _check_strength(secret: SecretStr) -> SecretStr:
    """Reject a signing key that can be guessed, or that looks like a JSON key set or PEM."""
    key = secret.get_secret_value()
    is_weak = len(key) < MIN_KEY_LENGTH or len(set(key)) < MIN_KEY_ALPHABET
    is_placeholder = any(word in key.lower() for word in PLACEHOLDERS)
    is_structured = not key.isascii() or key.lstrip().startswith(("{", "[", "-----"))
    if is_weak or is_placeholder or is_structured:
        message = f"must be {MIN_KEY_LENGTH} or more random characters; generate one with: "
        raise invalid(message + GENERATE_KEY)
    return secret


def parse_list(value: object) -> Any:  # noqa: ANN401 - a list, or what Pydantic rejects
    """Parse a JSON list, or values separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("[") and not IPV6.match(value.lstrip()):
        return _parse_json(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _parse_json(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        message = "must be a JSON list or values separated by commas, such as a,b"
        raise invalid(message) from None


def _parse_networks(value: object) -> list[IPv4Network | IPv6Network]:
    networks = parse_list(value)
    return [_parse_network(str(network)) for network in networks] if networks else []


def _parse_network(text: str) -> IPv4Network | IPv6Network:
    """Return a network; one of IPv4 in IPv6 as IPv4, as `app.core.client_ip` does."""
    try:
        network = ip_network(text)
    except ValueError:
        message = f"must be IP addresses or networks, such as 10.0.0.0/8, which {text} is not"
        raise invalid(message) from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return ip_network((mapped, network.prefixlen - 96)) if mapped else network


def _parse_rate(value: object) -> object:
    if isinstance(value, Rate):
        return value
    if not re.fullmatch(r"[1-9][0-9]{0,6}/[1-9][0-9]{0,6}", str(value)):
        message = "must be attempts/seconds, such as 5/300"
        raise invalid(message)
    return Rate(*map(int, str(value).split("/")))


SigningKey = Annotated[SecretStr, AfterValidator(_check_strength)]
CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(parse_list)]
SigningKeys = Annotated[list[SigningKey], NoDecode, BeforeValidator(parse_list)]
Networks = Annotated[list[IPv4Network | IPv6Network], NoDecode, BeforeValidator(_parse_networks)]
RateSetting = Annotated[Rate, NoDecode, BeforeValidator(_parse_rate)]
Port = Annotated[int, Field(ge=1, le=65535)]
