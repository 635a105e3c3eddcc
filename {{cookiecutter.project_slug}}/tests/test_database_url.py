"""Database URLs: as they are handed out, normalized, or rejected with a sentence."""

import ssl
from pathlib import Path
from urllib.parse import quote_plus

import pytest
import trustme
from pydantic import TypeAdapter, ValidationError

from app.db.dialects import split_url
from app.setting_types import DatabaseUrl, database
from tests.helpers import ROOT

ADAPTER = TypeAdapter(DatabaseUrl)


@pytest.fixture(autouse=True)
def _all_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let URLs of both databases be parsed, whichever driver is installed."""
    monkeypatch.setattr(database, "find_spec", lambda _: object())


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql+psycopg2://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
    ],
)
def test_database_url_is_given_the_async_driver(given: str, used: str) -> None:
    url, _ = split_url(ADAPTER.validate_python(given))
    assert used == url.render_as_string(hide_password=False)


@pytest.mark.parametrize(
    ("password", "written"),
    [
        ("plain", "plain"),
        ("p@ss-word1", "p@ss-word1"),
        ("p@ss-word1", "p%40ss-word1"),
        ("a/b?c#d:e", "a/b?c#d:e"),
        ("100%", "100%"),
        ("50%zz", "50%zz"),
        ("ü€", "ü€"),
        ("a b", "a%20b"),
        ("", ""),
    ],
)
def test_password_is_the_one_that_was_written(password: str, written: str) -> None:
    url, _ = split_url(ADAPTER.validate_python(f"postgres://me:{written}@DB.example.com:5433/app"))

    assert (url.username, url.password or "") == ("me", password)
    assert (url.host, url.port, url.database) == ("db.example.com", 5433, "app")


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ("sqlite:///./app.db", ROOT / "app.db"),
        ("sqlite:///data/app.db", ROOT / "data/app.db"),
        ("sqlite:///~/app.db", Path("~/app.db").expanduser()),
        ("sqlite:////srv/data/app.db", Path("/srv/data/app.db")),
        ("sqlite+aiosqlite:////srv/My%20Data/it's 100%.db", Path("/srv/My Data/it's 100%.db")),
    ],
)
def test_sqlite_file_is_found_from_any_working_folder(given: str, file: Path) -> None:
    url, _ = split_url(ADAPTER.validate_python(given))

    assert Path(url.database or "") == file


def test_sqlite_uri_is_passed_on() -> None:
    url = "sqlite:///file:app.db?mode=ro&uri=true"

    assert ADAPTER.validate_python(url) == url


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("options=-csearch_path=shop", {"options=-csearch_path%3Dshop"}),
        ("sslmode=require", {"sslmode=require"}),
        ("ssl=require", {"sslmode=require"}),
        ("ssl=true", {"sslmode=require"}),
        ("sslmode=REQUIRE", {"sslmode=require"}),
        ("sslmode=prefer&sslmode=require", {"sslmode=require"}),
        ("application_name=a@b", {"application_name=a%40b"}),
        ("sslmode=require&channel_binding=prefer", {"sslmode=require"}),
        (
            f"sslmode=verify-full&sslrootcert={__file__}",
            {"sslmode=verify-full", f"sslrootcert={quote_plus(__file__)}"},
        ),
        ("application_name=app&sslmode=disable", {"application_name=app", "sslmode=disable"}),
        ("target_session_attrs=read-write", {"target_session_attrs=read-write"}),
    ],
)
def test_parameters_of_libpq_are_passed_to_the_driver(query: str, parameters: set[str]) -> None:
    url, arguments = split_url(ADAPTER.validate_python(f"postgres://u:p@h/d?{query}"))

    assert set(arguments["dsn"].removeprefix("postgresql://?").split("&")) == parameters
    assert not url.query


def test_socket_folder_and_several_hosts_are_addresses() -> None:
    socket, arguments = split_url(ADAPTER.validate_python("postgresql://u:p@/d?host=/run/pg"))
    encoded, _ = split_url(ADAPTER.validate_python("postgresql://u:p@%2Frun%2FPG/d"))
    with_port, _ = split_url(ADAPTER.validate_python("postgresql://u:p@%2Frun%2Fpg:5544/d"))
    cloud, _ = split_url(ADAPTER.validate_python("postgresql://u:p@%2Fcloudsql%2Fshop:eu:db/d"))
    several, _ = split_url(ADAPTER.validate_python("postgresql://u@A,b:5433/d"))

    assert (dict(socket.query), "dsn" in arguments) == ({"host": "/run/pg"}, False)
    assert dict(with_port.query) == {"host": "/run/pg", "port": "5544"}
    assert dict(cloud.query) == {"host": "/cloudsql/shop:eu:db"}
    assert (dict(encoded.query), encoded.host) == ({"host": "/run/PG"}, None)
    assert several.render_as_string() == "postgresql+asyncpg://u@/d?host=a%3A5432&host=b%3A5433"


def test_connect_timeout_replaces_that_of_the_service() -> None:
    _, default = split_url("postgresql://u@h/d")
    _, longer = split_url("postgresql://u@h/d?connect_timeout=30")

    assert (default, longer) == ({"timeout": 5}, {"timeout": 30})


@pytest.mark.parametrize("suffix", ["", "&sslrootcert=system"])
@pytest.mark.parametrize(("mode", "is_name_checked"), [("verify-ca", False), ("verify-full", True)])
def test_certificate_is_verified_by_the_authorities_of_the_system(
    mode: str,
    is_name_checked: bool,
    suffix: str,
) -> None:
    _, arguments = split_url(ADAPTER.validate_python(f"postgresql://u@h/d?sslmode={mode}{suffix}"))

    context = arguments["ssl"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, is_name_checked)
    assert "dsn" not in arguments


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "must start with sqlite"),
        ("app.db", "must start with sqlite"),
        ("mysql://h/d", "must start with sqlite"),
        ("postgresqlx://h/d", "must start with sqlite"),
        ("postgresql://u:p@h:port/d", "port from 0 to 65535"),
        ("postgresql://u:p@h:70000/d", "port from 0 to 65535"),
        ("postgresql://u:pa/ss", "encoded"),
        ("postgres://u:p@h/d?sslmode=required", "disable, allow, prefer, require"),
        ("postgres://u:p@h/d?target_session_attrs=x", "any, primary, standby"),
        ("postgres://u:p@h/d?connect_timeout=10s", "connect_timeout"),
        ("postgres://u:p@h/d?connection_limit=1&pgbouncer=true", "connection_limit.*pgbouncer"),
        ("postgres://u:p@h/d?sslmode=require&channel_binding=require", "channel_binding"),
        ("postgres://u:p@h/d?pgbouncer=true", "DATABASE_POOLER=true"),
        ("postgres://u:p@h/d?schema=public", "options=-csearch_path"),
        ("postgres://h/d?user=u&password=p", "user:password@host"),
        ("postgres://u@server:p@h/d", "@ as %40"),
        ("postgres://u:p@h/d?sslrootcert=/missing.pem", "a file as sslrootcert"),
        (f"postgres://u:p@h/d?sslcert={__file__}&sslkey={__file__}", "its key as sslkey"),
        ("sqlite://", "name a file"),
        ("sqlite:///:memory:", "name a file"),
        ("sqlite:///app.db?check=1", "check"),
        ("sqlite:///app.db?mode=ro", "file:app.db"),
    ],
)
def test_url_that_cannot_work_is_rejected(url: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ADAPTER.validate_python(url)


def test_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "find_spec", lambda _: None)

    with pytest.raises(ValidationError, match="not installed: uv add asyncpg"):
        ADAPTER.validate_python("postgresql://u@h/d")


def test_client_certificate_is_loaded_with_the_authorities_of_the_system(tmp_path: Path) -> None:
    client = trustme.CA().issue_cert("client")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    url = f"postgresql://u@h/d?sslmode=verify-full&sslcert={tmp_path}/client.pem"

    _, arguments = split_url(ADAPTER.validate_python(f"{url}&sslkey={tmp_path}/client.key"))

    assert isinstance(arguments["ssl"], ssl.SSLContext)
    assert "dsn" not in arguments
    (tmp_path / "client.pem").unlink()
    with pytest.raises(FileNotFoundError):  # so it was read
        split_url(f"{url}&sslkey={tmp_path}/client.key")
