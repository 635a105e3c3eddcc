"""Edits that are not complete: one check fails, and its message says what to write where."""

from collections.abc import Callable
from typing import NamedTuple

from tests.edits.editor import Editor
from tests.edits.models import MODEL


class Mistake(NamedTuple):
    """An edit, the command that fails after it, and what the command prints."""

    edit: Callable[[Editor], None]
    command: str
    messages: tuple[str, ...]


def endpoint_without_permissions(project: Editor) -> None:
    """Add an endpoint, and forget the table of permissions."""
    project.append(
        "app/api/v1/endpoints/items.py",
        '\n\n@router.put("/{item_id}", status_code=204)\n'
        "async def replace_item(item_id: Id, item_in: ItemCreate, items: Items) -> None:\n"
        '    """Replace an item."""\n',
    )


def setting_without_documentation(project: Editor) -> None:
    """Add a setting, and forget the table in the README."""
    project.before(
        "app/config.py",
        "    @property\n    def docs",
        '    COLOUR: str = Field("red", description="Colour of the logo")\n\n',
    )


def column_without_migration(project: Editor) -> None:
    """Add a column, and forget the migration."""
    project.before(MODEL, "    owner: Mapped[User]", "    colour: Mapped[str | None]\n\n")


def required_column_without_server_default(project: Editor) -> None:
    """Add a column that is not nullable, without a value for the rows that exist."""
    project.before(MODEL, "    owner: Mapped[User]", "    colour: Mapped[str]\n\n")


def sort_column_without_index(project: Editor) -> None:
    """Sort by a column that has no index."""
    project.replace("app/schemas/item.py", '"-created_at"]', '"-created_at", "updated_at"]')


def filter_without_condition(project: Editor) -> None:
    """Add a filter, and forget what it selects."""
    project.before(
        "app/schemas/item.py",
        "    created_after: Timestamp",
        '    colour: SearchText | None = Field(None, description="Colour")\n',
    )


def service_that_imports_fastapi(project: Editor) -> None:
    """Raise an HTTPException in a service."""
    project.add_import("app/services/item_service.py", "from fastapi import HTTPException")
    project.append("app/services/item_service.py", "\n\nERROR = HTTPException(404)\n")


def service_that_commits(project: Editor) -> None:
    """Commit in a service."""
    project.append(
        "app/services/item_service.py",
        '\n\nasync def save(db: AsyncSession) -> None:\n    """Save."""\n    await db.commit()\n',
    )


def two_endpoints_of_one_name(project: Editor) -> None:
    """Name two endpoints alike."""
    project.append(
        "app/api/v1/endpoints/auth.py",
        '\n\n@router.get("/items")\nasync def list_items() -> None:\n    """List."""\n',
    )


def undocumented_error(project: Editor) -> None:
    """Document an error as FastAPI's tutorial does."""
    project.replace(
        "app/api/v1/endpoints/items.py",
        "responses=PAGE_RESPONSES)",
        'responses=PAGE_RESPONSES | {404: {"description": "Nothing"}})',
    )


def module_without_layer(project: Editor) -> None:
    """Add a module to `app/` that belongs to no layer."""
    project.append("app/tools.py", '"""Tools."""\n')


TEST = ".venv/bin/pytest -q tests/test_{}.py"
MISTAKES = [
    Mistake(
        endpoint_without_permissions,
        TEST.format("authorization"),
        (
            "or to OWNED or SHARED in resources.py",
            '"PUT /items/{item_id}": ({"field": "a valid value"}, (401, 204, 404, 404, 401, 204)),',
        ),
    ),
    Mistake(
        setting_without_documentation,
        TEST.format("readme"),
        ("Section Settings of README.md", '| `COLOUR` | `"red"` | Colour of the logo |'),
    ),
    Mistake(
        column_without_migration,
        f"{TEST.format('migrations')} tests/test_items.py tests/test_users.py",
        ("run: make migration", "\n1 failed"),
    ),
    Mistake(
        required_column_without_server_default,
        "make migration m=Add",
        ("existing rows have no value for items.colour", "mapped_column(server_default=...)"),
    ),
    Mistake(
        sort_column_without_index,
        TEST.format("pagination"),
        ("give items.updated_at an index", "make migration"),
    ),
    Mistake(
        filter_without_condition,
        TEST.format("pagination"),
        ("{'colour'}: add a row to CONDITIONS of app.services.item_service",),
    ),
    Mistake(
        service_that_imports_fastapi,
        "make check",
        ("Only the HTTP layer imports FastAPI BROKEN", "app.services.item_service -> fastapi"),
    ),
    Mistake(service_that_commits, TEST.format("transactions"), ("use commit_and_release()",)),
    Mistake(
        two_endpoints_of_one_name, TEST.format("openapi"), ("Duplicate Operation ID list_items",)
    ),
    Mistake(undocumented_error, TEST.format("openapi"), ("responses=problems(...)",)),
    Mistake(module_without_layer, "make check", ("app.tools",)),
]
