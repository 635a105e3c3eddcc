"""Whether the database has the tables that this code was written for.

Alembic could tell, but to import it takes a service half as long again to start; a test compares.
"""

import re
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

SCRIPTS = Path(__file__).parents[2] / "alembic" / "versions"
LINE = re.compile(r"^(down_revision|revision)\b[^=]*=(.+)$", re.MULTILINE)


def find_heads() -> set[str]:
    """Return the newest revisions in the source: those that no other one follows."""
    found: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for script in SCRIPTS.glob("*.py"):
        for name, value in LINE.findall(script.read_text(encoding="utf-8")):
            found[name].update(re.findall(r"""["'](\w+)["']""", value))
    return found["revision"] - found["down_revision"]


HEADS = find_heads()  # once: to read files takes time, and requests would wait


async def is_migrated(db: AsyncSession) -> bool:
    """Tell whether every migration has been applied, and none that the source does not know."""
    heads = await db.scalars(text("SELECT version_num FROM alembic_version"))
    return set(heads) == HEADS
