"""Migrations: they create the tables of the models, forwards and backwards."""

import asyncio
import shutil
import sqlite3
from collections.abc import Generator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import migrations
from app.db.session import build_engine
from app.models import Item, User
from tests.database import temporary_database
from tests.helpers import ROOT, alembic_config


@pytest.fixture
def url() -> Generator[str]:
    """Yield the URL of an empty database."""
    with temporary_database() as url:
        yield url


async def fill(url: str) -> int:
    """Add a user with an item, and return how many items there are."""
    engine = build_engine(url)
    async with AsyncSession(engine) as db:
        user = User(email="ann@example.com", full_name="Ann", hashed_password="")
        db.add(user)
        await db.flush()
        db.add(Item(title="Lamp", owner_id=user.id))
        await db.commit()
        count = await db.scalar(select(func.count()).select_from(Item))
    await engine.dispose()
    return count or 0


def test_models_and_migrations_agree(url: str) -> None:
    command.upgrade(alembic_config(url), "head")
    command.check(alembic_config(url))


def test_head_revision_is_the_one_that_alembic_finds() -> None:
    heads = ScriptDirectory.from_config(alembic_config("")).get_heads()

    assert len(heads) == 1
    assert set(heads) == migrations.HEADS


def test_heads_are_the_revisions_that_no_other_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, line in {"a": None, "b": "a", "c": "a", "d": ("b", "c"), "e": "c"}.items():
        text = f"revision: str = {name!r}\ndown_revision = (\n    {line!r}\n)\nother = print\n"
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(migrations, "VERSIONS", tmp_path)

    assert migrations.find_heads() == {"d", "e"}


def test_migrations_downgrade_and_upgrade_with_rows(url: str) -> None:
    config = alembic_config(url)
    command.upgrade(config, "head")
    assert asyncio.run(fill(url)) == 1

    command.downgrade(config, "base")
    command.upgrade(config, "head")

    assert asyncio.run(fill(url)) == 1
    command.check(config)


def test_migrations_can_be_printed_as_sql(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    config = alembic_config(url)
    config.output_buffer = None
    command.upgrade(config, "head", sql=True)

    assert "CREATE TABLE users" in capsys.readouterr().out


RECREATE = """
from alembic import op

revision = "recreate"
down_revision = "{head}"


def upgrade() -> None:
    with op.batch_alter_table("users", recreate="always"):
        pass
"""


def test_recreating_a_table_on_sqlite_keeps_rows_that_refer_to_it(tmp_path: Path) -> None:
    scripts = shutil.copytree(ROOT / "alembic", tmp_path / "alembic")
    url = f"sqlite+aiosqlite:///{tmp_path}/test.db"
    config = Config(attributes={"url": url})
    config.set_main_option("script_location", str(scripts))
    command.upgrade(config, "head")
    asyncio.run(fill(url))
    head = ScriptDirectory.from_config(config).get_current_head()

    (scripts / "versions" / "recreate.py").write_text(RECREATE.format(head=head))
    command.upgrade(config, "head")

    with sqlite3.connect(tmp_path / "test.db") as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (1,)
    connection.close()
