"""Migrations by several processes, from any working folder."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.database import temporary_database
from tests.helpers import ROOT

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


def test_env_file_and_relative_database_are_found_from_any_folder(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"ENV_FILE": str(tmp_path / ".env"), "PYTHONPATH": str(ROOT)}
    (tmp_path / ".env").write_text(f"DATABASE_URL=sqlite:///{tmp_path}/missing/app.db\n")
    command = [sys.executable, "-m", "app.cli", "list-sessions", "--email", "a@example.com"]

    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.stderr.startswith("The database is unreachable or not migrated.")
