"""Whether the database has the tables that this code was written for."""

from functools import lru_cache
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncSession

SCRIPTS = Path(__file__).parents[2] / "alembic"


@lru_cache
def expected_heads() -> set[str]:
    """Return the newest revisions in the source."""
    return set(ScriptDirectory(str(SCRIPTS)).get_heads())


async def is_migrated(db: AsyncSession) -> bool:
    """Tell whether every migration has been applied, and none that the source does not know."""
    connection = await db.connection()
    heads = await connection.run_sync(
        lambda sync: MigrationContext.configure(sync).get_current_heads()
    )
    return set(heads) == expected_heads()
