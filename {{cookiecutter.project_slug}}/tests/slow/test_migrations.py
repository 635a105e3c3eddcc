"""Migrations by several processes, from any working folder."""

import asyncio
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.database import execute, temporary_database
from tests.helpers import ROOT
from tests.slow.conftest import on_postgresql

ALEMBIC = [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini")]


def test_replicas_that_migrate_at_once_take_turns(tmp_path: Path) -> None:
    with temporary_database() as url:
        environment = os.environ | {"DATABASE_URL": url}
        replicas = [
            subprocess.Popen(
                [*ALEMBIC, "upgrade", "head"],
                cwd=tmp_path,
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        errors = [replica.communicate()[1] for replica in replicas]

        assert [replica.returncode for replica in replicas] == [0] * 4, errors
        assert sum("Running upgrade" in error for error in errors) == 1
        check = subprocess.run([*ALEMBIC, "check"], cwd=tmp_path, env=environment, check=False)
        assert check.returncode == 0


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/app.db", "postgresql://me:Secret1@127.0.0.1:1/app"]
)
def test_migrating_an_unreachable_database_prints_one_sentence(url: str) -> None:
    if url.startswith("postgresql") and find_spec("asyncpg") is None:
        pytest.skip("asyncpg is not installed.")
    environment = os.environ | {"DATABASE_URL": url}
    command = [*ALEMBIC, "upgrade", "head"]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    (line,) = (done.stdout + done.stderr).splitlines()
    assert "The database is unreachable: " in line
    assert "Secret1" not in line


@on_postgresql
def test_missing_privilege_is_one_sentence_with_the_statement() -> None:
    with temporary_database() as url:
        database = make_url(url)
        role = f"r{database.database}"
        asyncio.run(execute(f"CREATE ROLE {role} LOGIN PASSWORD 'Role1Password'", database))
        try:
            limited = database.set(username=role, password="Role1Password")
            environment = os.environ | {
                "DATABASE_URL": limited.render_as_string(hide_password=False)
            }
            done = subprocess.run(
                [*ALEMBIC, "upgrade", "head"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            asyncio.run(execute(f"DROP ROLE {role}", database))

    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert "permission denied for schema public" in done.stderr
    assert "CREATE TABLE" in done.stderr
    assert "Traceback" not in done.stderr


def test_env_file_and_relative_database_are_found_from_any_folder(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"ENV_FILE": str(tmp_path / ".env"), "PYTHONPATH": str(ROOT)}
    (tmp_path / ".env").write_text(f"DATABASE_URL=sqlite:///{tmp_path}/missing/app.db\n")
    command = [sys.executable, "-m", "app.cli", "list-sessions", "--email", "a@example.com"]

    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.stderr.startswith("The database is unreachable or not migrated.")
