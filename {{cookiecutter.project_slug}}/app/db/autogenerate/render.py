"""Code of types and server defaults that works on both databases."""

import re
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.elements import False_, True_
from sqlalchemy.sql.functions import now

from app.db.base import UTCDateTime

POSTGRESQL = sa.make_url("postgresql://").get_dialect()()


def render_item(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:  # noqa: ANN401 - Alembic's own
    """Render types and server defaults so that the migration works on both databases.

    They come from a model or, to drop what the models no longer have, from the database in use.
    """
    if kind == "type":
        return render_type(item, context.imports)
    if kind == "server_default":
        return render_server_default(getattr(item, "arg", None))
    return False


def render_type(item: sa.types.TypeEngine[Any], imports: set[str]) -> str | Literal[False]:
    """Return the code of a type, or False for Alembic's own."""
    if isinstance(item, UTCDateTime | sa.DateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, sa.Enum) and not item.native_enum:
        return f"sa.String({item.length})"
    if not isinstance(item, sa.JSON) or isinstance(item, postgresql.JSONB):
        return False
    if isinstance(item.dialect_impl(POSTGRESQL), postgresql.JSONB):  # by with_variant()
        imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return "sa.JSON()"


def render_server_default(default: Any) -> str | Literal[False]:  # noqa: ANN401 - Alembic's own
    """Return the code of a server default, or False for Alembic's own."""
    if isinstance(default, True_ | False_):
        return f"sa.{default}()"
    sql = re.sub(r"::[a-z ]+$", "", str(default))  # without PostgreSQL's cast
    if isinstance(default, now) or "now()" in sql or "'now'" in sql:
        return "sa.func.now()"
    return f"sa.text({sql!r})" if isinstance(default, sa.TextClause) else False
