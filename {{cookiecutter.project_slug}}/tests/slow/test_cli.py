"""End-to-end tests of the administrative commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.helpers import PASSWORD, ROOT

NOT_READY = (
    "The database is unreachable or not migrated. Start it, then run: alembic upgrade head\n"
)


def test_command_on_an_unreachable_database_prints_one_sentence(tmp_path: Path) -> None:
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path}/missing/app.db"}
    command = [sys.executable, "-m", "app.cli", "list-sessions", "--email", "a@example.com"]
    for _ in range(5):
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )

        assert done.returncode == 1
        missing = f"No such file or directory: '{tmp_path}/missing/app.db'"
        assert done.stderr == f"{NOT_READY}FileNotFoundError: [Errno 2] {missing}\n"


def test_command_writes_security_events_and_no_other_log(database: str) -> None:
    create = ["create-superuser", "--email", "cli@example.com", "--full-name", "X"]
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *create, "--password-stdin"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database},
        input=PASSWORD,
        capture_output=True,
        text=True,
        check=True,
    )

    (line,) = done.stderr.splitlines()
    assert json.loads(line)["event"] == "account_registered"
    assert PASSWORD not in done.stderr
