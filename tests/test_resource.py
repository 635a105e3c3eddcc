"""Resources by command: generated, served and called, and removed without a trace.

`make test-edits` also generates requests to them, from the OpenAPI document.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import CHOICES, Bake
from tests.edits.editor import Editor, add_row
from tests.projects import UV, free_port, in_a_group

USER = {"email": "ann@example.com", "full_name": "Ann", "password": "Correct1Horse"}
RESOURCES = {
    "order": "name:str:unique total:decimal due:date? note:text? status:enum(open,paid)",
    "story": "body:text rank:int:unique? weight:float done:bool at:datetime key:uuid extra:json",
    "order_line": "order:ref(order) other_order:ref(order)? "
    "tale:ref(story,stories) other_tale:ref(story,stories)? "
    "label:str? other_label:str? amount:decimal? at:datetime? state:enum(on,off)?",
}
OWNER = {"order": "yes", "story": "no", "order_line": "yes"}
STORY = {
    "body": "Once",
    "weight": 1.5,
    "done": False,
    "at": "2026-01-01T00:00:00Z",
    "key": "00000000-0000-4000-8000-000000000001",
    "extra": {},
}
SERVICE, TESTS = "app/services/item_service.py", "tests/test_items.py"
OF_OWNER = 'Item.owner_id == bindparam("user_id")'
# Edits of items that a copy without owner must not lose: file, text, its replacement.
UNKNOWN = [
    (SERVICE, OF_OWNER, f"{OF_OWNER}, Item.title != 'Draft'"),
    (SERVICE, "True: select(Item),", "True: select(Item).limit(9),"),
    (SERVICE, "await self.db.delete(", "print({'user_id': self.user.id}, "),
    (SERVICE, "if item is None:", "if item is None and not self.user.is_superuser:"),
    (SERVICE, "if item is None:", "log(extra={'user_id': self.user.id})\n        if item is None:"),
    (SERVICE, "items, where = ROWS[", "items, where = NAMES[self.user.is_superuser] + ROWS["),
    (SERVICE, "    async def create(", "    @property\n    async def create("),
    (SERVICE, "for role, items in ITEMS", "for role, items in (role and ITEMS)"),
    (SERVICE, "self.db.add(item)", "self.db.add_all([item, Audit(owner_id=self.user.id)])"),
    (TESTS, "async def ids(", "@pytest.fixture\ndef bobs(as_bob): ...\n\n\nasync def ids("),
]
METHODS = """
    STATES = {True: "archived", False: "active"}

    async def archive(self, item_id: int) -> Item:
        return await self.get_by_id(item_id, lock=True)

    async def import_all(self) -> None:
        print(self.STATES[True])
"""
ENDPOINTS = "app/api/v1/endpoints/items.py"
# What a team has added to items, and every copy must have.
ADDED = [
    (
        "app/schemas/item.py",
        '    """An item."""\n',
        '    model_config = ConfigDict(title="Thing")\n',
    ),
    (ENDPOINTS, 'patch(\n    "/{item_id}",', "\n    dependencies=[Depends(get_client_ip)],"),
    (ENDPOINTS, "    responses=problems(ItemNotFoundError", ", UserNotFoundError"),
    (ENDPOINTS, '"""Update an item.', "\n\n    Carefully.\n    "),
]
ARCHIVE = """

@router.post("/{item_id}/archive", status_code=204, responses=problems(ItemNotFoundError))
async def archive_item(item_id: Id, items: Items) -> None:
    \"\"\"Archive an item.\"\"\"
    await items.get_by_id(item_id)
"""
ROW = '"POST /items/{item_id}/archive": (None, (401, 204, 404, 404, 401, 204)),'
OPEN = """

@router.post("/{tag_id}/open", status_code=204, responses=problems(TagNotFoundError))
async def open_tag(tag_id: Id, tags: Tags) -> None:
    \"\"\"Open a tag.\"\"\"
    await tags.get_by_id(tag_id)
"""
PERSON = "nickname:str mood:enum(good,bad)?"
LIKE_PERSON = ("like=person", "like_plural=people")
ORDER = {"name": "Lamp", "total": "1.50", "status": "open"}
MISTAKES = {
    "item a:int": "app/models/item.py exists already",
    "Order a:int": "'Order' is no name",
    "class a:int": "'class' is a keyword",
    "page a:int": "'page' means something else",
    "sheep a:int --plural=sheep": "the same",
    "order a:int --like=nothing": "app/models/nothing.py does not exist",
    "order ''": "A resource needs fields",
    "testimonial a:int": "begins with test",
    "reference a:int": "'Reference' means something else",
    "order created:date": "'created_after' would mean two things",
    "order 'total:int total_min:bool'": "'total_min' would mean two things",
    "order 'a_1:str a1:str'": "'A1' would mean two things",
    "order copy:bool": "has a name 'copy' already",
    "order self:str": "has a name 'self' already",
    "order 'user:ref(user)'": "has no row of users",
    "order item:ref --no-owner": "Users own items",
    "order a": "'a' is no field",
    "order a:money": "'money' is no type",
    "order 'a:enum(b)'": "two values or more",
    "order 'a:int a:str'": "'a' would mean two things",
    "order owner_id:int": "has a name 'owner_id' already",
    "order date:date": "'date' is the name of a type",
    "order note:text:unique": "cannot be unique",
    "order ghost:ref": "There is no such resource: app/models/ghost.py does not exist",
    "order order:ref": "app/models/order.py does not exist",
}


@pytest.fixture(
    scope="module", params=[in_a_group(__name__, value) for value in CHOICES["database"]]
)
def project(request: pytest.FixtureRequest, bake: Bake) -> Iterator[Editor]:
    """Yield an installed project for each database."""
    project = Editor(bake(database=request.param))
    env = project.folder / ".env"
    env.write_text(env.read_text().replace(":5432/", f":{free_port()}/"))
    project.variables["PATH"] = f"{Path(UV).parent}:{project.variables['PATH']}"
    project.reset("app.db" if request.param == "sqlite" else "resources")
    project.run("make", "migrate")
    yield project
    if request.param == "postgresql":
        project.run("make", "postgres-stop")


@pytest.fixture(autouse=True)
def _unchanged(project: Editor) -> Iterator[None]:
    """Fail if a test leaves a trace in the project."""
    yield
    assert project.run("git", "status", "--porcelain") == ""


@pytest.mark.parametrize("project", [in_a_group(__name__, "sqlite")], indirect=True)
def test_mistakes_are_explained_and_change_nothing(project: Editor) -> None:
    for arguments, message in MISTAKES.items():
        with pytest.raises(AssertionError) as caught:
            project.run("sh", "-c", f".venv/bin/python -m scripts.resource add {arguments}")

        assert message in str(caught.value)
        assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("project", [in_a_group(__name__, "sqlite")], indirect=True)
def test_dry_run_lists_what_would_be_written(project: Editor) -> None:
    listed = project.run("make", "resource", "name=order", "fields=a:int", "dry_run=1")

    assert "write app/models/order.py" in listed
    assert "migration: Add orders" in listed
    assert "query parameters of its fields: a_min, a_max, sort" in listed


@pytest.mark.parametrize("project", [in_a_group(__name__, "sqlite")], indirect=True)
def test_code_that_depends_on_the_owner_in_another_way_is_refused(project: Editor) -> None:
    command = (".venv/bin/python", "-m", "scripts.resource", "add", "tag", "a:int", "--no-owner")
    for edit in UNKNOWN:
        project.replace(*edit)
        with pytest.raises(AssertionError, match=r"no-owner does not understand") as caught:
            project.run(*command)
        assert "Traceback" not in str(caught.value)
        restore_files(project)
    project.append(SERVICE, "(")
    with pytest.raises(AssertionError, match="is not valid Python: see line") as bad:
        project.run(*command)
    assert "Traceback" not in str(bad.value)
    restore_files(project)


@pytest.mark.parametrize("project", [in_a_group(__name__, "sqlite")], indirect=True)
def test_every_method_that_may_write_requires_a_superuser_if_there_is_no_owner(
    project: Editor,
) -> None:
    project.append(SERVICE, METHODS)
    project.before("scripts/seed.py", "    Seed(ItemService", "    # Of the user.\n")
    seeds = (project.folder / "scripts/seed.py").read_text()
    output = project.run("make", "resource", "name=tag", "fields=a:int", "owner=no")

    service = (project.folder / "app/services/tag_service.py").read_text()
    bodies = dict(re.findall(r"async def (\w+)\((.*?)(?=async def|def|$)", service, re.DOTALL))
    checked = {name for name, body in bodies.items() if "  self._require_superuser()" in body}
    locking = {name for name, body in bodies.items() if "lock=True" in body}
    assert checked == {"create", "get_by_id", "import_all"}
    assert locking == {"update", "delete", "archive"}
    assert "        if lock:\n            self._require_superuser()" in bodies["get_by_id"]
    assert METHODS.splitlines()[1] in service  # other choices by True and False stay
    assert "left out: test_superuser_updates_any_tag_and_its_owner_stays" in output
    project.run("make", "remove-resource", "name=tag")
    assert (project.folder / "scripts/seed.py").read_text() == seeds
    restore_files(project)


@pytest.mark.parametrize("project", [in_a_group(__name__, "sqlite")], indirect=True)
def test_filters_that_select_everything_or_nothing_fail_their_tests(project: Editor) -> None:
    fields = (
        "total:decimal due:date? at:datetime? done:bool state:enum(on,off)? day:date time:datetime"
    )
    project.run("make", "resource", "name=order", f"fields={fields}")
    service = project.folder / "app/services/order_service.py"
    written = service.read_text()
    for operator in ("==", "!="):
        service.write_text(
            re.sub("(lambda value: ).*", rf"\1Order.id {operator} Order.id,", written)
        )
        with pytest.raises(AssertionError) as caught:
            project.run(".venv/bin/pytest", "-q", "-n", "0", "tests/test_orders.py", "-k", "filter")
        failed = re.findall(r"FAILED \S+::test_orders_are_filtered", str(caught.value))
        assert len(failed) == written.count("lambda value: "), failed
    project.run("make", "remove-resource", "name=order")


@pytest.mark.parametrize("project", [in_a_group(__name__, "sqlite")], indirect=True)
@pytest.mark.parametrize("owner", ["yes", "no"])
def test_what_a_team_has_added_to_the_example_is_copied(project: Editor, owner: str) -> None:
    for edit in ADDED:
        project.after(*edit)
    project.append(ENDPOINTS, ARCHIVE)
    project.add_import("app/schemas/item.py", "from pydantic import ConfigDict")
    project.add_import(ENDPOINTS, "from app.core.exceptions import UserNotFoundError")
    project.add_import(ENDPOINTS, "from app.dependencies import get_client_ip")
    add_row(project, ROW)
    project.run("make", "resource", "name=tag", "fields=a:int", f"owner={owner}")

    copied = ENDPOINTS.replace("items", "tags")
    update = project.run("grep", "-A14", "@router.patch", copied)
    assert "dependencies=[Depends(get_client_ip)]" in update
    assert "Carefully." in update
    assert re.search(r"TagNotFoundError,\s+UserNotFoundError,\s+Concurrent", update)
    assert ("SuperuserRequiredError" in update) == (owner == "no")
    assert 'title="Thing"' in (project.folder / "app/schemas/tag.py").read_text()
    if owner == "no":  # the team decides what is permitted
        add_row(project, ROW.replace("item", "tag").replace("404", "204"))
    project.run(".venv/bin/pytest", "-q", "-n", "0", "tests/test_authorization.py")
    project.run("make", "remove-resource", "name=tag")
    restore_files(project)


@pytest.mark.parametrize("project", [in_a_group(__name__, "sqlite")], indirect=True)
def test_documented_errors_that_are_not_listed_are_refused(project: Editor) -> None:
    project.replace(ENDPOINTS, "problems(ItemNotFoundError, ConcurrentChangeError)", "ERRORS")
    add = (".venv/bin/python", "-m", "scripts.resource", "add", "tag", "a:int", "--no-owner")
    with pytest.raises(AssertionError, match=r"These responses are not problems\(…\): ERRORS"):
        project.run(*add)
    restore_files(project)


def restore_files(project: Editor) -> None:
    """Undo the changes of files."""
    project.git("reset", "--quiet", "--hard")


def test_failure_halfway_leaves_the_files_as_they_were(project: Editor) -> None:
    add = (".venv/bin/python", "-m", "scripts.resource", "add", "order", "a:int")
    project.run(".venv/bin/alembic", "downgrade", "base")
    with pytest.raises(AssertionError, match="nothing was changed"):
        project.run(*add)
    project.run("make", "migrate")


def test_resources_are_green_and_are_removed_without_a_trace(project: Editor) -> None:
    add_resources(project)

    if (project.folder / "app.db").exists():  # the code is the same for both databases
        project.run("make", "check")
    report = run_tests(project, "orders", "stories", "order_lines")
    assert not re.search(r"app/\S*(order|stor(y|ies))", report), report  # all of it is covered
    assert call(project) == ("1.50", ["Lamp"])

    with pytest.raises(AssertionError, match=r"order_line_service.py would break: orders are used"):
        project.run("make", "remove-resource", "name=order")
    remove_resources(project)


@pytest.mark.more_edits
def test_generated_requests_to_resources_get_documented_responses(project: Editor) -> None:
    add_resources(project)

    names = ("-k", "orders or stories or lines")
    project.run(".venv/bin/pytest", "-q", "-n", "0", "tests/slow/test_contract.py", *names)

    remove_resources(project)


def add_resources(project: Editor) -> None:
    """Add all resources by command."""
    for name, fields in RESOURCES.items():
        owner = f"owner={OWNER[name]}"
        project.run("make", "resource", f"name={name}", f"fields={fields}", owner)


def remove_resources(project: Editor) -> None:
    """Remove them, those first that refer to others."""
    for name in reversed(RESOURCES):
        project.run("make", "remove-resource", f"name={name}")


def run_tests(project: Editor, *names: str) -> str:
    """Run the tests of resources, and those that look at every one; return what is not covered."""
    general = ("authorization", "openapi", "pagination", "models", "migrations")
    files = [f"tests/test_{name}.py" for name in (*names, *general)]
    report = "--cov-report=term-missing:skip-covered"
    return project.run(".venv/bin/pytest", "-q", "-n", "0", "--cov=app", report, *files)


def call(project: Editor) -> tuple[Any, list[str]]:
    """Create an order; return its total, and the names that a search and a filter find."""
    with logged_in(project) as client:
        created = client.post("/orders/", json=ORDER).json()
        client.post("/orders/", json=ORDER | {"name": "Chair", "total": "3"})
        assert client.post("/orders/", json=ORDER).json()["code"] == "order_name_taken"
        found = client.get("/orders/", params={"q": "L", "total_max": "2", "sort": "-total"})
        assert client.post("/stories/", json=STORY).json()["code"] == "superuser_required"
        assert client.get("/order-lines/").json() == client.get("/stories/").json() == []
        client.request("DELETE", "/users/me", json={"current_password": USER["password"]})
    return created["total"], [order["name"] for order in found.json()]


@contextmanager
def logged_in(project: Editor) -> Iterator[httpx2.Client]:
    """Serve the project, and yield a client of a user, who is registered first."""
    command = (".venv/bin/uvicorn", "app.main:app", "--port", str(free_port()))
    with (
        project.serve(*command) as server,
        httpx2.Client(base_url=f"{server.url}/api/v1") as client,
    ):
        client.post("/users/", json=USER)
        form = {"username": USER["email"], "password": USER["password"]}
        token = client.post("/auth/login", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def test_migration_that_is_in_git_stays_when_its_resource_is_removed(project: Editor) -> None:
    project.run("make", "resource", "name=order", "fields=a:int")
    project.git("add", ".")

    removed = project.run("make", "remove-resource", "name=order")

    assert "migration: Remove orders" in removed
    assert len(list(project.folder.glob("alembic/versions/*_orders.py"))) == 2
    restore(project)


def restore(project: Editor) -> None:
    """Undo all changes, in files and database."""
    project.run(".venv/bin/alembic", "downgrade", "base")
    project.git("reset", "--quiet", "--hard")
    project.git("clean", "--quiet", "--force", "-d")
    project.run("make", "migrate")


@pytest.mark.parametrize("project", [in_a_group(__name__, "sqlite")], indirect=True)
def test_resource_is_copied_from_the_last_one_that_was_removed(project: Editor) -> None:
    project.run("make", "resource", "name=order", "fields=label:str:unique done:bool")
    project.run("make", "remove-resource", "name=item")  # unique fields: orders are not copied
    project.run("make", "resource", "name=person", "plural=people", f"fields={PERSON}")
    assert (project.folder / "app/schemas/person.py").read_text().count('Literal["good') == 1
    project.run("make", "resource", "name=tag", "fields=nickname:str", "owner=no", *LIKE_PERSON)
    project.append("app/api/v1/endpoints/tags.py", OPEN)
    add_row(project, '"POST /tags/{tag_id}/open": (None, (401, 204, 204, 204, 401, 204)),')
    project.run("make", "rename-resource", "from=tag", "to=label")

    project.run("make", "check")
    assert "people" not in run_tests(project, "people", "labels")
    assert "Mood" not in (project.folder / "app/schemas/label.py").read_text()
    project.run("make", "remove-resource", "name=label")
    assert "/labels/" not in (project.folder / "tests/test_authorization.py").read_text()

    restore(project)


def test_renamed_resource_keeps_its_rows(project: Editor) -> None:
    project.run("make", "resource", "name=item_tag", "fields=item_tag_no:int")  # stays as it is
    with logged_in(project) as client:
        created = client.post("/items/", json={"title": "Lamp"}).json()
        last = client.post("/items/", json={"title": "Deleted"}).json()
        client.delete(f"/items/{last['id']}")

    project.run("make", "rename-resource", "from=item", "to=big_product")

    if (project.folder / "app.db").exists():
        project.run("make", "check")
        assert "product" not in run_tests(project, "big_products", "item_tags")
    with logged_in(project) as client:
        (kept,) = client.get("/big-products/").json()
        added = client.post("/big-products/", json={"title": "Chair"}).json()
    assert kept == created
    assert added["id"] > last["id"]
    with pytest.raises(AssertionError, match="The field item_tag_no would be renamed, too"):
        project.run("make", "rename-resource", "from=item_tag", "to=tag")
    restore(project)
