"""Changes of the API: what `openapi.json` has and the code has not, and which breaks clients."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from fastapi import FastAPI, Query, Security
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, Field, create_model

from app.main import app
from scripts import openapi
from scripts.api_changes import Document, compare
from tests.helpers import operations

Fields = dict[str, Any]
TITLE = Annotated[str, Field(max_length=20)]
BODY: Fields = {
    "title": (TITLE, ...),
    "note": (str | None, None),
    "state": (Literal["a", "b"], "a"),
}
READ: Fields = {
    "id": (int, ...),
    "parts": (dict[str, list[int]], ...),
    "title": (str, ...),
    "state": (Literal["a", "b"], ...),
}
key = APIKeyHeader(name="X-Key")


def document(
    *,
    body: Fields = BODY,
    read: Fields = READ,
    highest_limit: int = 100,
    **options: Any,  # noqa: ANN401 - passed on
) -> Document:
    """Return the OpenAPI document of a small service."""
    service = FastAPI()
    sent: type[BaseModel] = create_model("ThingCreate", **body)
    received: type[BaseModel] = create_model("ThingRead", **read)

    def create(thing: BaseModel, limit: Annotated[int, Query(le=highest_limit)] = 10) -> None:
        del thing, limit

    create.__annotations__["thing"] = sent
    service.post("/", response_model=received, **options)(create)
    written: Document = json.loads(json.dumps(service.openapi()))
    return written


BREAKING_CHANGES = [
    (
        {"read": READ | {"title": (str, "")}},
        "response field `title` is now optional",
    ),
    (
        {"read": READ | {"title": (str | None, ...)}},
        "response field `title` can now be null",
    ),
    ({"body": BODY | {"size": (int, ...)}}, "required request field `size` added"),
    (
        {"body": BODY | {"title": (Annotated[str, Field(max_length=10)], ...)}},
        "maxLength of request field `title` is now 10, was 20",
    ),
    (
        {"body": BODY | {"state": (Literal["a"], "a")}},
        "request field `state` can no longer be `b`",
    ),
    ({"highest_limit": 50}, "maximum of query parameter `limit` is now 50, was 100"),
    ({"dependencies": [Security(key)]}, "requires authentication"),
    ({"status_code": 201}, "status 200 removed"),
    (
        {"read": READ | {"parts": (dict[str, list[str]], ...)}},
        "response field `parts[][]` is now string, was integer",
    ),
]
OTHER_CHANGES = [
    ({"read": READ | {"size": (int, ...)}}, "response field `size` added"),
    ({"body": BODY | {"size": (int | None, None)}}, "request field `size` added"),
    (
        {"body": BODY | {"note": (str | int | None, None)}},
        "request field `note` can now be integer",
    ),
    (
        {"body": BODY | {"title": (str, ...)}},
        "maxLength of request field `title` is now None, was 20",
    ),
    (
        {"body": BODY | {"state": (Literal["a", "b", "c"], "a")}},
        "request field `state` can now be `c`",
    ),
    ({"responses": {418: {"description": "Teapot"}}}, "status 418 added"),
]


@pytest.mark.parametrize(("change", "text"), BREAKING_CHANGES)
def test_breaking_change_is_told_in_words(change: dict[str, Any], text: str) -> None:
    changes = map(str, compare(document(), document(**change)))

    assert f"POST /: {text}: breaking" in changes


@pytest.mark.parametrize(("change", "text"), OTHER_CHANGES)
def test_other_change_is_told_in_words(change: dict[str, Any], text: str) -> None:
    changes = map(str, compare(document(), document(**change)))

    assert list(changes) == [f"POST /: {text}"]


def test_texts_for_people_are_no_change() -> None:
    assert not compare(document(), document(summary="New", description="Other words"))


def test_removed_operation_is_breaking_and_a_new_one_is_not() -> None:
    other = document() | {"paths": {"/new": document()["paths"]["/"]}}

    assert list(map(str, compare(document(), other))) == [
        "POST /: removed: breaking",
        "POST /new: added",
    ]


def test_every_schema_of_this_service_is_compared() -> None:
    """Two equal documents have no changes, and every operation is gone from an empty one."""
    written = json.loads(json.dumps(app.openapi()))

    assert not compare(written, app.openapi())
    assert len(compare(written, {"paths": {}})) == len(operations(written))


@pytest.fixture
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a folder of its own, and return it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_breaking_change_is_written_when_the_changelog_has_it(
    in_an_empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = json.loads(json.dumps(app.openapi()))
    old["paths"]["/old"] = old["paths"]["/health/live"]
    openapi.FILE.write_text(json.dumps(old))

    assert openapi.main() == 1
    line = "GET /old: removed: breaking"
    assert f"* {line}" in capsys.readouterr().err
    (in_an_empty_folder / "CHANGELOG.md").write_text(f"# Changelog\n\n## Unreleased\n\n* {line}\n")
    assert openapi.main() == 0
    assert json.loads(openapi.FILE.read_text()) == app.openapi()


@pytest.mark.skipif(not openapi.FILE.exists(), reason="make openapi has not been run yet")
def test_openapi_file_is_up_to_date() -> None:
    changes = [str(change) for change in compare(openapi.read(), app.openapi())]

    assert not changes, "\n".join(["The API has changed. make openapi says what to do:", *changes])


class Node(BaseModel):
    """A schema that refers to itself."""

    parent: "Node | None" = None
    children: list["Node"] = []
    title: str


class Leaf(BaseModel):
    """The same, without a title."""

    parent: "Leaf | None" = None
    children: list["Leaf"] = []


def test_recursive_schemas_are_compared() -> None:
    before = document(read={"node": (Node, ...), "other": (Node, ...)})
    after = document(read={"node": (Leaf, ...), "other": (Leaf, ...)})

    changes = list(map(str, compare(before, after)))

    assert not compare(before, before)
    for field in ("node.title", "other.title", "node.parent.title"):
        assert f"POST /: response field `{field}` removed: breaking" in changes
