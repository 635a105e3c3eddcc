"""Edits of endpoints: other methods, filters, uploads, streams, WebSockets, authentication.

Each docstring says what the edit broke when it was first tried.
"""

from tests.edits.editor import Editor, add_row, edit, mount

ENDPOINTS, TESTS = "app/api/v1/endpoints/items.py", "tests/test_items.py"
GET_ITEM = '@router.get("/{item_id}", response_model=ItemRead'


@edit("add an endpoint for superusers")
def superuser_endpoint(project: Editor) -> None:
    """The failure of the table of permissions did not say which row was missing."""
    project.append(
        "app/api/v1/endpoints/statistics.py",
        '''"""Endpoints of statistics, for superusers."""

from fastapi import APIRouter

from app.api.openapi import problems
from app.core.exceptions import SuperuserRequiredError
from app.dependencies import SuperUser

router = APIRouter(prefix="/statistics", tags=["statistics"])


@router.get("/", responses=problems(SuperuserRequiredError))
async def get_statistics(me: SuperUser) -> dict[str, str]:
    """Return statistics."""
    return {"requested_by": me.email}
''',
    )
    mount(project, "statistics")
    add_row(project, '"GET /statistics/": (None, (401, 403, 403, 403, 401, 200)),')


@edit("add an endpoint")
def put(project: Editor) -> None:
    """Browsers could not use it: CORS had a list of methods without PUT."""
    project.before(
        ENDPOINTS,
        "@router.delete(",
        '''@router.put("/{item_id}", response_model=ItemRead, responses=problems(ItemNotFoundError))
async def replace_item(item_id: Id, item_in: ItemCreate, items: Items) -> Item:
    """Replace all fields of an item."""
    return await items.update(item_id, ItemUpdate(**item_in.model_dump()))


''',
    )
    add_row(project, '"PUT /items/{item_id}": ({"title": "X"}, (401, 200, 404, 404, 401, 200)),')
    project.append(
        TESTS,
        """

async def test_put_replaces_an_item(as_ann: AsyncClient) -> None:
    item = (await as_ann.post("/items/", json={"title": "Lamp", "description": "Red"})).json()

    replaced = await as_ann.put(f"/items/{item['id']}", json={"title": "Light"})

    assert (replaced.json()["title"], replaced.json()["description"]) == ("Light", None)
""",
    )


@edit("add a filter or a sort order")
def filter_and_sort(project: Editor) -> None:
    """The filter was in `/docs`, and was rejected; the next link lost it."""
    schema, service = "app/schemas/item.py", "app/services/item_service.py"
    project.before(
        schema,
        "    created_before: Timestamp | None",
        '    has_description: bool | None = Field(None, description="Whether it has one")\n',
    )
    project.replace(schema, '"-created_at"]', '"-created_at", "updated_at", "-updated_at"]')
    project.after(
        service,
        '    "created_before": lambda time: Item.created_at < time,\n',
        '    "has_description": lambda has: Item.description.is_(None) != has,\n',
    )
    project.append("app/models/item.py", "Index(None, Item.updated_at)\n")
    project.append(
        TESTS,
        """

async def test_items_are_filtered_by_description_and_sorted_by_change(as_ann: AsyncClient) -> None:
    described, changed = [item["id"] for item in await create(as_ann, BODY, OTHER_BODY)]
    await as_ann.patch(f"/items/{changed}", json={"title": "B"})

    assert await ids(as_ann, has_description="true") == [described]
    assert await ids(as_ann, sort="updated_at") == [changed, described]
""",
    )
    project.migrate("Sort by updated_at")


@edit("they do not declare")
def query_parameter_as_in_the_tutorial(project: Editor) -> None:
    """It was rejected with 422, because lists knew the parameters of pages only."""
    project.replace(
        ENDPOINTS,
        "    filters: Annotated[ItemFilters, Query()], paging: Paging, items: Items\n",
        "    filters: Annotated[ItemFilters, Query()],\n"
        "    paging: Paging,\n"
        "    items: Items,\n"
        "    label: str | None = None,\n",
    )
    project.replace(
        ENDPOINTS,
        '''    """List your items; superusers see everyone's."""
''',
        '''    """List your items; superusers see everyone's."""
    filters.q = label or filters.q
''',
    )
    project.append(
        TESTS,
        """

async def test_items_are_filtered_by_label(as_ann: AsyncClient) -> None:
    for title in ("Lamp", "Light", "Chair", "Lampshade"):
        await as_ann.post("/items/", json={"title": title})

    response = await as_ann.get("/items/", params={"label": "Lamp", "limit": 1})

    assert "label=Lamp" in response.headers["Link"]
""",
    )


@edit("A stream opens")
def streaming_export(project: Editor) -> None:
    """The stream used the session of its request, and kept connections for ever."""
    project.add_import(ENDPOINTS, "from fastapi.responses import StreamingResponse")
    project.add_import(ENDPOINTS, "from app.services.item_service import export_items")
    project.before(
        ENDPOINTS,
        GET_ITEM,
        '''class CSVResponse(StreamingResponse):
    """A streamed CSV file."""

    media_type = "text/csv"  # for the OpenAPI document as well


@router.get("/export", response_class=CSVResponse)
async def export(me: CurrentUser) -> CSVResponse:
    """Return all your items as CSV."""
    return CSVResponse(export_items(me))


''',
    )
    service = "app/services/item_service.py"
    for line in (
        "import csv",
        "from collections.abc import AsyncGenerator",
        "from io import StringIO",
        "from app.db.session import transaction",
    ):
        project.add_import(service, line)
    project.append(
        service,
        '''

async def export_items(user: User) -> AsyncGenerator[str]:
    """Yield the items of a user as lines of CSV, from a database session of its own."""
    async with transaction(read_only=True) as db:
        own = select(Item).where(Item.owner_id == user.id).order_by(Item.id)
        async for item in await db.stream_scalars(own):
            line = StringIO()
            csv.writer(line).writerow([item.id, item.title])
            yield line.getvalue()
''',
    )
    add_row(project, '"GET /items/export": (None, (401, 200, 200, 200, 401, 200)),')
    project.append(
        TESTS,
        """

async def test_export_has_all_items_of_the_user(as_ann: AsyncClient, as_bob: AsyncClient) -> None:
    for client in (as_ann, as_bob):
        await client.post("/items/", json={"title": "Lamp"})

    assert len((await as_ann.get("/items/export")).text.splitlines()) == 1
""",
    )


@edit("add an error")
def own_error(project: Editor) -> None:
    """A test listed all classes of errors."""
    service = "app/services/item_service.py"
    project.add_import(service, "from app.core.exceptions import ConflictError")
    project.before(
        service,
        "class ItemService:",
        '''class TitleTakenError(ConflictError):
    """The user has an item with this title."""

    detail = "You already have an item with this title."


''',
    )
    project.before(
        service,
        "        item = Item(**",
        """        own = Item.owner_id == self.user.id
        same = select(Item).where(own, Item.title == item_in.title, Item.title == "Unique")
        if await self.db.scalar(same):
            raise TitleTakenError
""",
    )
    project.add_import(ENDPOINTS, "from app.services.item_service import TitleTakenError")
    project.replace(
        ENDPOINTS,
        '@router.post("/", response_model=ItemRead, status_code=201)',
        "@router.post(\n"
        '    "/", response_model=ItemRead, status_code=201, responses=problems(TitleTakenError)\n'
        ")",
    )
    project.append(
        TESTS,
        """

async def test_second_item_with_a_unique_title_is_a_conflict(as_ann: AsyncClient) -> None:
    responses = [await as_ann.post("/items/", json={"title": "Unique"}) for _ in range(2)]

    assert [response.status_code for response in responses] == [201, 409]
    assert responses[1].json()["code"] == "title_taken"
""",
    )


@edit("add a version of the API")
def second_version_of_the_api(project: Editor) -> None:
    """The table of permissions put the first prefix before every path; redirects broke it."""
    project.append("app/api/v2/__init__.py", '"""Version 2."""\n')
    project.append(
        "app/api/v2/router.py",
        '''"""Routers of version 2."""

from fastapi.responses import RedirectResponse

from app.api.routing import Router
from app.dependencies import CurrentUser

api_router = Router()


@api_router.get("/me")
async def get_my_email(me: CurrentUser) -> str:
    """Return your email."""
    return me.email


@api_router.get("/old", response_class=RedirectResponse, status_code=307)
async def get_old() -> str:
    """Redirect to what has moved."""
    return "/api/v2/me"
''',
    )
    project.add_import("app/main.py", "from app.api.v2 import router as v2")
    project.before(
        "app/main.py",
        "    extend_openapi(app)",
        '    app.include_router(v2.api_router, prefix="/api/v2", responses=unavailable)\n',
    )
    add_row(project, '"GET /api/v2/me": (None, (401, 200, 200, 200, 401, 200)),')
    add_row(project, '"GET /api/v2/old": (None, (307, 307, 307, 307, 307, 307)),')
