"""Edits of models: columns, tables, and a resource that is removed.

Each docstring says what the edit broke when it was first tried.
"""

from tests.edits.editor import Editor, edit, mount

MODEL, SCHEMA, TESTS = "app/models/item.py", "app/schemas/item.py", "tests/test_items.py"


def add_column(project: Editor, column: str, field: str, patch: str, read: str) -> None:
    """Add a column to items, and fields to the schemas for create, update and read."""
    project.before(MODEL, "    owner: Mapped[User]", f"    {column}\n\n")
    project.after(SCHEMA, "    title: Title\n", f"    {field}\n")
    project.after(SCHEMA, "    title: Patch[Title] = None\n", f"    {patch}\n")
    project.after(SCHEMA, "    title: str\n", f"    {read}\n")


@edit("add a column")
def nullable_column(project: Editor) -> None:
    """A test named the first revision as the last one."""
    add_column(
        project,
        "colour: Mapped[str | None] = mapped_column(String(20))",
        "colour: Annotated[str, SingleLine(20)] | None = None",
        "colour: Annotated[str, SingleLine(20)] | None = None",
        "colour: str | None",
    )
    project.append(
        TESTS,
        """

async def test_item_has_a_colour(as_ann: AsyncClient) -> None:
    created = await as_ann.post("/items/", json={"title": "Lamp", "colour": "red"})

    assert created.json()["colour"] == "red"
""",
    )
    project.migrate("Add colour")


@edit("add a column")
def column_of_users(project: Editor) -> None:
    """Two services listed the columns of a user, and forgot the new one."""
    project.after(
        "app/models/user.py",
        "    full_name: Mapped[str] = mapped_column(String(100))\n",
        "    phone: Mapped[str | None] = mapped_column(String(20))\n",
    )
    schema = "app/schemas/user.py"
    phone = "    phone: Annotated[str, SingleLine(20)] | None = None\n"
    project.after(schema, "    full_name: FullName\n", phone)
    project.after(schema, "    full_name: Patch[FullName] = None\n", phone)
    project.after(schema, "    full_name: str\n", "    phone: str | None\n")
    project.add_import("tests/test_users.py", "from tests.helpers import NEW_USER")
    project.append(
        "tests/test_users.py",
        """

async def test_user_has_a_phone(client: AsyncClient, as_ann: AsyncClient) -> None:
    created = await client.post("/users/", json=NEW_USER | {"phone": "1"})
    changed = await as_ann.patch("/users/me", json={"phone": "2"})

    assert (created.json()["phone"], changed.json()["phone"]) == ("1", "2")
""",
    )
    project.migrate("Add phone")


@edit("The tests run every migration on tables with rows")
def constraint_and_dropped_column(project: Editor) -> None:
    """Printing the migration as SQL failed on SQLite, and running it on SQLite did elsewhere."""
    project.add_import(MODEL, "from sqlalchemy import UniqueConstraint")
    project.after(
        MODEL,
        '    __tablename__ = "items"\n',
        '    __table_args__ = (UniqueConstraint("owner_id", "title", "description"),)\n',
    )
    project.before(MODEL, "    owner: Mapped[User]", "    old: Mapped[str | None]\n\n")
    project.migrate("Add constraint")
    project.replace(MODEL, "    old: Mapped[str | None]\n\n", "")
    project.migrate("Drop old")


@edit("needs a value in the rows that exist")
def required_column(project: Editor) -> None:
    """Without a server default, the migration failed in production only."""
    project.before(
        SCHEMA, "class ItemCreate(", "Priority = Annotated[int, Field(ge=0, le=9)]\n\n\n"
    )
    add_column(
        project,
        'priority: Mapped[int] = mapped_column(default=0, server_default="0")',
        "priority: Priority = 0",
        "priority: Patch[Priority] = None",
        "priority: int",
    )
    project.append(
        TESTS,
        """

async def test_item_has_a_priority(as_ann: AsyncClient) -> None:
    assert (await as_ann.post("/items/", json={"title": "Lamp"})).json()["priority"] == 0
""",
    )
    project.migrate("Add priority")


@edit("is stored as text")
def enum_column(project: Editor) -> None:
    """Autogenerate wrote a migration that failed on PostgreSQL: no such type."""
    project.add_import(MODEL, "from enum import StrEnum")
    project.before(
        MODEL,
        "class Item(",
        '''class Status(StrEnum):
    """State of an item."""

    OPEN = "open"
    ON_HOLD = "on hold"


''',
    )
    project.before(SCHEMA, "class ItemCreate(", 'Status = Literal["open", "on hold"]\n\n\n')
    add_column(
        project,
        "status: Mapped[Status] = mapped_column(default=Status.OPEN, server_default=Status.OPEN)",
        'status: Status = "open"',
        "status: Patch[Status] = None",
        "status: Status",
    )
    project.append(
        TESTS,
        """

async def test_item_has_a_status(as_ann: AsyncClient) -> None:
    item = (await as_ann.post("/items/", json={"title": "Lamp"})).json()
    assert item["status"] == "open"

    changed = await as_ann.patch(f"/items/{item['id']}", json={"status": "on hold"})
    assert changed.json()["status"] == "on hold"
""",
    )
    project.migrate("Add status")


@edit("as JSON")
def json_column_with_server_default(project: Editor) -> None:
    """The next comparison of models and database crashed on PostgreSQL."""
    project.add_import(MODEL, "from typing import Any")
    project.add_import(SCHEMA, "from typing import Any")
    add_column(
        project,
        'options: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")',
        "options: dict[str, Any] = Field(default_factory=dict)",
        "options: Patch[dict[str, Any]] = None",
        "options: dict[str, Any]",
    )
    project.append(
        TESTS,
        """

async def test_item_has_options(as_ann: AsyncClient) -> None:
    item = (await as_ann.post("/items/", json={"title": "Lamp"})).json()
    assert item["options"] == {}

    changed = await as_ann.patch(f"/items/{item['id']}", json={"options": {"size": 1}})
    assert changed.json()["options"] == {"size": 1}
""",
    )
    project.migrate("Add options")


@edit("add a resource")
def second_resource_with_many_to_many(project: Editor) -> None:
    """The operations of the copy needed five rows in the table of permissions, not one."""
    for file in (
        MODEL,
        SCHEMA,
        TESTS,
        "app/services/item_service.py",
        "app/api/v1/endpoints/items.py",
    ):
        text = (project.folder / file).read_text(encoding="utf-8")
        for old, new in (("item", "label"), ("Item", "Label"), (".labels()", ".items()")):
            text = text.replace(old, new)
        project.append(file.replace("item", "label"), text)
    project.after(
        "app/models/__init__.py",
        "from app.models.item import Item as Item\n",
        "from app.models.label import Label as Label\n",
    )
    mount(project, "labels")
    project.after(
        "tests/resources.py",
        '    "item_id": ("/items/", {"title": "X"}),\n',
        '    "label_id": ("/labels/", {"title": "X"}),\n',
    )
    model = "app/models/label.py"
    project.add_import(model, "from app.models.item import Item")
    project.add_import(model, "from sqlalchemy import Column, Table")
    project.before(
        model,
        "class Label(",
        """item_labels = Table(
    "item_labels",
    Base.metadata,
    Column("item_id", ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
    Column("label_id", ForeignKey("labels.id", ondelete="CASCADE"), primary_key=True),
)


""",
    )
    project.before(
        model,
        "    owner: Mapped[User]",
        '    items: Mapped[list[Item]] = relationship(secondary=item_labels, lazy="selectin")\n',
    )
    project.append(
        "tests/test_labels.py",
        """

async def test_label_has_items(ann: User, db: AsyncSession) -> None:
    label = Label(title="Red", owner_id=ann.id, items=[Item(title="Lamp", owner_id=ann.id)])
    db.add(label)
    await db.commit()

    await db.refresh(label)
    assert [item.title for item in label.items] == ["Lamp"]
""",
    )
    project.add_import("tests/test_labels.py", "from app.models import Item")
    project.migrate("Add labels")


@edit("remove a resource, such as `items`")
def items_removed(project: Editor) -> None:
    """About twenty files named items, most of them tests of something else."""
    project.delete(
        MODEL,
        SCHEMA,
        TESTS,
        "app/services/item_service.py",
        "app/api/v1/endpoints/items.py",
    )
    project.replace("app/models/__init__.py", "from app.models.item import Item as Item\n", "")
    project.replace("app/api/v1/router.py", "auth, items, users", "auth, users")
    project.replace("app/api/v1/router.py", "    items.router,\n", "")
    project.replace("tests/resources.py", '    "item_id": ("/items/", {"title": "X"}),\n', "")
    seed = '    Seed(ItemService, ItemCreate, [{"title": "Chair"}, {"title": "Lamp"}]),\n'
    for line in (
        seed,
        "from app.schemas.item import ItemCreate\n",
        "from app.services.item_service import ItemService\n",
    ):
        project.replace("scripts/seed.py", line, "")
    project.migrate("Remove items")
    project.run("make", "coverage")
