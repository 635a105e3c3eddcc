"""URLs, origins, hosts and email senders: normalized as browsers and servers write them."""

import re
from email.utils import formataddr, parseaddr
from ipaddress import IPv6Address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from app.setting_types.errors import invalid
from app.setting_types.values import parse_list

PORT = re.compile(r"(?<=[^:]):[0-9]+$")  # not the end of an IPv6 address without brackets
DEFAULT_PORTS = {"http": 80, "https": 443}
PAGES = ("dev", "docs", "health")  # that the service has at its root
LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"  # RFC 5322 §3.2.3
LOCAL_PART = re.compile(rf"{ATOM}(\.{ATOM})*")
HOSTNAME = re.compile(rf"{LABEL}(\.{LABEL})*")
# Of pages in apps and browser extensions, such as capacitor://localhost.
APP_ORIGIN = re.compile(r"(?!ftp:|wss?:|file:|https?:)[a-z][a-z0-9+.-]*://[a-z0-9._-]+")


def _to_hostname(host: str) -> str | None:
    """Return a host name in lower case, a domain in ASCII (IDNA), or None if it is not one."""
    try:
        if ":" in host:
            return str(IPv6Address(host))
        name = host.lower() if host.isascii() else host.lower().encode("idna").decode()
    except ValueError:
        return None
    name = name.removesuffix(".")  # of an absolute domain name
    return name if HOSTNAME.fullmatch(name) else None


def _split(url: str) -> SplitResult | None:
    """Split an absolute HTTP URL, or return None."""
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        return None
    is_http = parts.scheme in DEFAULT_PORTS and "@" not in parts.netloc
    return parts if is_http and _to_hostname(parts.hostname or "") else None


def _origin(parts: SplitResult) -> str:
    """Return the origin as browsers send it: lower case, without the default port (RFC 6454)."""
    name = _to_hostname(parts.hostname or "") or ""
    host = f"[{name}]" if ":" in name else name
    port = "" if parts.port in {None, DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _normalize_origin(origin: object) -> str:
    text = str(origin).strip()
    if text == "*" or APP_ORIGIN.fullmatch(text):
        return text
    parts = _split(text)
    if not parts or parts.path not in {"", "/"} or parts.query or parts.fragment:
        message = "must be origins: scheme and host, such as https://app.example.com"
        raise invalid(message)
    return _origin(parts)


def _normalize_base_url(url: str) -> str:
    parts = _split(url)
    if not parts or parts.query or parts.fragment:
        message = "must be a URL without query and fragment, such as https://app.example.com"
        raise invalid(message)
    return _origin(parts) + parts.path.rstrip("/")


def _normalize_host(host: object) -> str:
    """Return a pattern of the Host header, whose port is ignored."""
    text = PORT.sub("", str(host).strip())
    wildcard, name = ("*.", text[2:]) if text.startswith("*.") else ("", text.strip("[]"))
    hostname = _to_hostname(name)
    if text == "*":
        return text
    if not hostname:
        message = "must be host names without scheme and path, such as example.com, *.example.com"
        raise invalid(message)
    return f"[{hostname}]" if ":" in hostname else wildcard + hostname


def _check_hostname(host: str) -> str:
    name = _to_hostname(host.strip()) if host else ""
    if name is None:
        message = "must be a host name without scheme and port, such as smtp.example.com"
        raise invalid(message)
    return name


def _check_prefix(prefix: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*)+", prefix):
        message = "must be / and a name, once or more, of letters, digits, - _ ., such as /api/v1"
        raise invalid(message)
    if prefix.split("/")[1] in PAGES:
        message = f"must not start with {prefix}, where the service has pages, but like /api/v1"
        raise invalid(message)
    return prefix


def _normalize_sender(sender: str) -> str:
    """Return the sender with its domain in ASCII: not every server accepts others (RFC 6531)."""
    name, address = parseaddr(sender)
    local, _, domain = address.rpartition("@")
    ascii_domain = _to_hostname(domain)
    if not (LOCAL_PART.fullmatch(local) and ascii_domain and sender.isprintable()):
        message = (
            "must be an email address, such as noreply@example.com, Shop <shop@example.com> "
            'or "Shop, Inc." <shop@example.com>'
        )
        raise invalid(message)
    return formataddr((name, f"{local}@{ascii_domain}")) if name else f"{local}@{ascii_domain}"


Origins = Annotated[
    list[Annotated[str, BeforeValidator(_normalize_origin)]], NoDecode, BeforeValidator(parse_list)
]
Hosts = Annotated[
    list[Annotated[str, BeforeValidator(_normalize_host)]], NoDecode, BeforeValidator(parse_list)
]
BaseUrl = Annotated[str, AfterValidator(_normalize_base_url)]
Hostname = Annotated[str, AfterValidator(_check_hostname)]
Prefix = Annotated[str, AfterValidator(_check_prefix)]
EmailSender = Annotated[str, AfterValidator(_normalize_sender)]
