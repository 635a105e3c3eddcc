"""Database URLs: those of managed databases work as they are handed out."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, quote, unquote, urlencode

from pydantic import AfterValidator

from app.setting_types.errors import invalid

DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}
PROJECT_FOLDER = Path(__file__).parents[2]
# Greedy, so that a password may contain "@" and "/": the last "@" ends it.
AUTHORITY = re.compile(
    r"((?P<user>[^:@/?]*)(:(?P<password>.*))?@)?(?P<host>[^@/?]*)(/(?P<database>[^?]*))?"
)
HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]\s]*)(:(?P<port>[0-9]{1,5}))?")
MAX_PORT = 65535
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
PARAMETERS = {
    "postgresql": {  # of asyncpg, and `host` and `port` of SQLAlchemy
        *("application_name", "connect_timeout", "gsslib", "host", "krbsrvname", "options"),
        *("passfile", "port", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert"),
        *("sslcrl", "sslkey", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert"),
        "target_session_attrs",
    },
    "sqlite": {"cache", "immutable", "mode", "nolock", "timeout", "uri", "vfs"},
}
INSTEAD = {
    "channel_binding": "remove it, and verify the server with sslmode=verify-full",
    "pgbouncer": "set DATABASE_POOLER=true instead",
}


def _normalize(url: str) -> str:
    """Return the URL with encoded user and password, known parameters and an absolute file."""
    scheme, separator, rest = url.strip().partition("://")
    driver = DRIVERS.get(scheme.partition("+")[0].lower())
    if driver is None or not separator:
        message = "must start with sqlite:// or postgresql://, such as sqlite:///./app.db"
        raise invalid(message)
    backend, _, module = driver.partition("+")
    if find_spec(module) is None:
        message = f"needs a driver that is not installed: uv add {module}"
        raise invalid(message)
    address, _, query = _split_query(rest)
    parameters = _normalize_parameters(backend, query)
    if backend == "postgresql":
        address, hosts = _normalize_server(address)
        parameters |= {"host": hosts} if len(hosts) > 1 else {}
    else:
        address = _absolute(address)
    query = urlencode(parameters, doseq=True)
    return f"{backend}://{address}" + (f"?{query}" if query else "")


def _split_query(rest: str) -> tuple[str, str, str]:
    """Split at the first "?" after the password, which may contain one."""
    credentials, at, server = rest.rpartition("@")
    address, mark, query = server.partition("?")
    return credentials + at + address, mark, query


def _normalize_server(address: str) -> tuple[str, list[str]]:
    """Return the address, without hosts if there are several, and the hosts."""
    parts = AUTHORITY.fullmatch(address)
    hosts = parts["host"].lower().split(",") if parts else [""]
    matches = [HOST.fullmatch(host) for host in hosts]
    if not parts or not all(match and int(match["port"] or 0) <= MAX_PORT for match in matches):
        message = (
            "must be like postgresql://user:password@host:5432/app, with a port from 0 to "
            f"{MAX_PORT} and special characters of the password encoded, such as / as %2F"
        )
        raise invalid(message)
    user, password = (_encode(parts[name]) for name in ("user", "password"))
    credentials = user + (f":{password}" if password else "")
    database = f"/{parts['database']}" if parts["database"] else ""
    host = hosts[0] if len(hosts) == 1 else ""
    return (f"{credentials}@" if credentials else "") + host + database, hosts


def _encode(text: str | None) -> str:
    """Encode what is not encoded; a "%" that encodes nothing stands for itself."""
    return quote(unquote(text or ""), safe="")


def _absolute(address: str) -> str:
    """Return the path of a SQLite file relative to the project, not to the working folder."""
    path = address.removeprefix("/")
    if not path or path.startswith((":memory:", "file:")):
        return address
    return "/" + quote((PROJECT_FOLDER / unquote(path)).as_posix(), safe="/: ")


def _normalize_parameters(backend: str, query: str) -> dict[str, list[str]]:
    parameters = parse_qs(query, keep_blank_values=True)
    if backend == "postgresql" and "ssl" in parameters:  # SQLAlchemy's name
        value = parameters.pop("ssl")[-1].lower()
        parameters["sslmode"] = [{"true": "require", "false": "disable"}.get(value, value)]
    if parameters.get("channel_binding") in (["prefer"], ["disable"]):  # what the driver does
        del parameters["channel_binding"]
    for name in parameters.keys() - PARAMETERS[backend]:
        instead = INSTEAD.get(name, "remove it")
        message = f"has the parameter {name[:50]}, which the driver does not support: {instead}"
        raise invalid(message)
    if parameters.get("sslmode", ["prefer"])[-1] not in SSL_MODES:
        message = f"must have one of these as sslmode: {', '.join(SSL_MODES)}"
        raise invalid(message)
    return parameters


DatabaseUrl = Annotated[str, AfterValidator(_normalize)]
