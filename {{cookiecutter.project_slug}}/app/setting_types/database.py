"""Database URLs, in the forms in which hosts hand them out."""

import re
from importlib.util import find_spec
from pathlib import Path
from ssl import create_default_context
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
HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.%]+\]|/.*?|[^:\[\]\s]*)(:(?P<port>[0-9]{1,5}))?")
HOST_WITH_PORT = re.compile(r":[0-9]+$")
MAX_PORT = 65535
SSL_ALIASES = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
# The values of some parameters, as they are printed.
VALUES = {
    "sslmode": re.compile("disable|allow|prefer|require|verify-ca|verify-full"),
    "target_session_attrs": re.compile("any|primary|standby|prefer-standby|read-write|read-only"),
    "connect_timeout": re.compile("[0-9]+"),
    "port": re.compile("[0-9]{1,5}"),
    "timeout": re.compile("[0-9.]+"),
}
PARAMETERS = {
    "postgresql": {  # of asyncpg, and `host` and `port` of SQLAlchemy
        *("application_name", "connect_timeout", "gsslib", "host", "krbsrvname", "options"),
        *("passfile", "port", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert"),
        *("sslcrl", "sslkey", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert"),
        "target_session_attrs",
    },
    "sqlite": {"timeout"},
    "file": {"cache", "immutable", "mode", "nolock", "timeout", "uri", "vfs"},
}
FILES = {"passfile", "sslcert", "sslcrl", "sslkey", "sslrootcert"}
INSTEAD = {
    "channel_binding": "remove it, and verify the server with sslmode=verify-full",
    "mode": "write sqlite:///file:app.db?mode=ro&uri=true",
    "password": "write it before the host, user:password@host",
    "pgbouncer": "set DATABASE_POOLER=true instead",
    "schema": "write options=-csearch_path=NAME",
    "user": "write it before the host, user:password@host",
}


def _normalize(url: str) -> str:
    """Return the URL with encoded user and password, known parameters and an absolute file."""
    scheme, separator, rest = url.strip().partition("://")
    driver = DRIVERS.get(scheme.partition("+")[0].lower())
    if driver is None or not separator:
        message = (
            "must start with sqlite:// or postgresql://, such as sqlite:///./app.db or "
            "postgresql://user:password@host:5432/app"
        )
        raise invalid(message)
    backend, _, module = driver.partition("+")
    if find_spec(module) is None:
        message = f"needs a driver that is not installed: uv add {module}"
        raise invalid(message)
    address, query = _split_query(rest)
    kind = "file" if address.startswith("/file:") else backend
    parameters = _normalize_parameters(kind, query)
    if backend == "postgresql":
        address, hosts = _normalize_server(address)
        if hosts[0].startswith("/"):
            parameters |= _socket(hosts[0])
        elif len(hosts) > 1:
            parameters["host"] = hosts
    else:
        address = _absolute(address)
    query = urlencode(parameters, doseq=True)
    return f"{backend}://{address}" + (f"?{query}" if query else "")


def _split_query(rest: str) -> tuple[str, str]:
    """Split at the "?" before the parameters; a password may contain one, a parameter an "@"."""
    if match := re.fullmatch(r"([^?]*@[^@?]*|[^@?]*)\?([a-z_]+=.*)", rest):
        return match[1], match[2]
    credentials, at, server = rest.rpartition("@")
    address, _, query = server.partition("?")
    return credentials + at + address, query


def _normalize_server(address: str) -> tuple[str, list[str]]:
    """Return the address, without hosts if there are several, and the hosts."""
    parts = AUTHORITY.fullmatch(address)
    hosts = [_decode_host(host) for host in parts["host"].split(",")] if parts else [""]
    if len(hosts) > 1:  # SQLAlchemy requires all ports
        hosts = [host if HOST_WITH_PORT.search(host) else f"{host}:5432" for host in hosts]
    matches = [HOST.fullmatch(host) for host in hosts]
    if not parts or not all(match and int(match["port"] or 0) <= MAX_PORT for match in matches):
        message = (
            "must be like postgresql://user:password@host:5432/app, with a port from 0 to "
            f"{MAX_PORT} and special characters of user and password encoded, such as @ as %40"
        )
        raise invalid(message)
    user, password = (_encode(parts[name]) for name in ("user", "password"))
    credentials = user + (f":{password}" if password else "")
    database = f"/{parts['database']}" if parts["database"] else ""
    host = hosts[0] if len(hosts) == 1 and not hosts[0].startswith("/") else ""
    return (f"{credentials}@" if credentials else "") + host + database, hosts


def _decode_host(host: str) -> str:
    """Return a host in lower case, or the folder of a Unix socket (`%2Fvar%2Frun`)."""
    decoded = unquote(host)
    return decoded if decoded.startswith("/") else host.lower()


def _socket(host: str) -> dict[str, list[str]]:
    """Return the folder of a Unix socket, and its port."""
    match = HOST.fullmatch(host)
    found = {"host": match and match["name"], "port": match and match["port"]}
    return {name: [value] for name, value in found.items() if value}


def _encode(text: str | None) -> str:
    """Encode what is not encoded; a "%" that encodes nothing stands for itself."""
    return quote(unquote(text or ""), safe="")


def _absolute(address: str) -> str:
    """Return the path of a SQLite file relative to the project, not to the working folder."""
    path = address.removeprefix("/")
    if path.startswith("file:"):
        return address
    if path in {"", ":memory:"}:
        message = (
            "must name a file, such as sqlite:///./app.db: each connection has a memory of its own"
        )
        raise invalid(message)
    return "/" + quote((PROJECT_FOLDER / Path(unquote(path)).expanduser()).as_posix(), safe="/: ")


def _normalize_parameters(kind: str, query: str) -> dict[str, list[str]]:
    """Return the parameters: the last one of each name, and all hosts."""
    parameters = parse_qs(query, keep_blank_values=True)
    parameters = {n: v if n in {"host", "port"} else v[-1:] for n, v in parameters.items()}
    if kind == "postgresql" and "ssl" in parameters:  # SQLAlchemy's name
        parameters["sslmode"] = parameters.pop("ssl")
    if parameters.get("channel_binding") in (["prefer"], ["disable"]):  # what the driver does
        del parameters["channel_binding"]
    if unknown := sorted(parameters.keys() - PARAMETERS[kind]):
        hints = [f"{name[:50]} ({INSTEAD.get(name, 'remove it')})" for name in unknown]
        message = f"has the parameter {', '.join(hints)}, which the driver does not support"
        raise invalid(message)
    if mode := parameters.get("sslmode"):
        parameters["sslmode"] = [SSL_ALIASES.get(mode[0].lower(), mode[0].lower())]
    for name, accepted in VALUES.items():
        if not all(accepted.fullmatch(value) for value in parameters.get(name, [])):
            message = f"must have as {name}: {accepted.pattern.replace('|', ', ')}"
            raise invalid(message)
    _check_files({name: values[0] for name, values in parameters.items()})
    return parameters


def _check_files(parameters: dict[str, str]) -> None:
    """Reject a file that is missing, and a certificate that is not that of the key."""
    for name in FILES & parameters.keys():
        if parameters[name] != "system" and not Path(parameters[name]).is_file():
            message = f"must have a file as {name}, or no such parameter"
            raise invalid(message)
    if {"sslcert", "sslkey"} <= parameters.keys():
        certificate, key = parameters["sslcert"], parameters["sslkey"]
        try:
            create_default_context().load_cert_chain(
                certificate, key, parameters.get("sslpassword", "")
            )
        except OSError:
            message = "must have a certificate as sslcert and its key as sslkey, in PEM format"
            raise invalid(message) from None


DatabaseUrl = Annotated[str, AfterValidator(_normalize)]
