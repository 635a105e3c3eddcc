"""Error responses: problem documents that name what was wrong, and repeat no value."""

from typing import Annotated, Any, Literal

import pytest
from fastapi import Body, Form
from httpx2 import AsyncClient
from pydantic import BaseModel, Field, field_validator
from starlette.exceptions import HTTPException

from app.api.problem import phrase
from app.core.app_error import AppError, snake_case
from app.main import create_app
from app.services.user_service import UserService
from tests.helpers import API, NEW_USER, client_for


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (f"{API}/users/me", "DELETE, GET, PATCH, HEAD"),
        (f"{API}/users/1", "DELETE, GET, PATCH, HEAD"),
        (f"{API}/users", "GET, POST, HEAD"),
        (f"{API}/auth/sessions", "DELETE, GET, HEAD"),
        ("/health/live", "GET, HEAD"),
    ],
)
async def test_method_not_allowed_lists_all_methods_of_the_path(
    bare_client: AsyncClient, path: str, allowed: str
) -> None:
    response = await bare_client.put(path)

    assert response.status_code == 405
    assert response.headers["Allow"] == allowed


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/users/me", 405, "method_not_allowed"),
        ("GET", "/users/me", 401, "not_authenticated"),
        ("POST", "/users/", 422, "request_validation"),
    ],
)
async def test_error_response_is_a_problem_document(
    client: AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, path)

    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem.pop("detail")
    problem.pop("errors", None)
    assert problem == {
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "code": code,
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"password": "Hidden1Horse"}',
        b'{"password": "Hidden1Horse", "email": "\\ud800"}',
        b'{"password": "Hidden1Horse", "\\ud800": 1}',
        b'{"password": "Hidden1Horse", "email": NaN}',
        b'{"password": ["Hidden1Horse"]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
async def test_invalid_body_is_rejected_without_repeating_its_values(
    client: AsyncClient, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/users/", content=body, headers=headers)

    assert response.status_code in {400, 422}
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "Hidden1Horse" not in response.text


async def test_body_with_the_wrong_content_type_is_415(client: AsyncClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        response = await client.post("/users/", content="{}", headers={"Content-Type": kind})

        assert response.status_code == 415
        assert "application/json" in response.json()["detail"]


async def test_unhandled_error_response_has_no_details(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        message = "SELECT secret FROM users"
        raise RuntimeError(message)

    monkeypatch.setattr(UserService, "create", fail)
    response = await client.post("/users/", json=NEW_USER)

    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "body", "errors"),
    [
        ("POST", "/users/", NEW_USER | {"email": "bad"}, {"email": "value is not a valid email"}),
        ("PATCH", "/users/me", {"email": "bad"}, {"email": "value is not a valid email"}),
        ("PATCH", "/users/me", {"email": None}, {"email": "must not be null"}),
        ("PATCH", "/users/me", {"full_name": "x" * 101}, {"full_name": "String should have at"}),
        ("PATCH", "/users/me", {"password": "weak"}, {"password": "must have "}),
        ("PATCH", "/users/me", {"full_name": 1, "x": 1}, {"full_name": "Input", "x": "Extra"}),
    ],
)
async def test_rejected_field_has_one_error_with_its_path_in_the_request(
    as_ann: AsyncClient, method: str, path: str, body: object, errors: dict[str, str]
) -> None:
    response = await as_ann.request(method, path, json=body)

    assert response.status_code == 422
    assert response.json()["code"] == "request_validation"
    found = {tuple(error["loc"]): error["msg"] for error in response.json()["errors"]}
    assert len(response.json()["errors"]) == len(errors)
    for field, message in errors.items():
        assert found[("body", field)].startswith(message)


class Cat(BaseModel):
    """A member of a union."""

    lives: int


class Dog(BaseModel):
    """Another one."""

    name: Annotated[str, Field(min_length=2)]


class Household(BaseModel):
    """A body with fields that Pydantic reports in ways of its own."""

    pet: Cat | Dog
    size: int | bool
    rooms: list[int | None]
    owner: str

    @field_validator("owner")
    @classmethod
    def _reject_nobody(cls, owner: str) -> str:
        if owner == "nobody":
            message = "must be somebody"
            raise ValueError(message)
        return owner


async def test_rejected_field_of_a_union_list_or_validator_has_its_path_in_the_request() -> None:
    service = create_app()

    @service.post("/household")
    async def household(household: Household, note: Annotated[int | bool, Body()]) -> None:
        del household, note

    body = {
        "household": {"pet": {}, "size": "x", "rooms": [1, "x"], "owner": "nobody"},
        "note": "x",
    }
    async with client_for(service) as client:
        errors = (await client.post("/household", json=body)).json()["errors"]

    assert [error["loc"] for error in errors] == [
        ["body", "household", "pet", "lives"],
        ["body", "household", "pet", "name"],
        ["body", "household", "size"],
        ["body", "household", "rooms", 1],
        ["body", "household", "owner"],
        ["body", "note"],
    ]
    assert errors[4]["msg"] == "must be somebody"


async def test_invalid_form_field_is_named() -> None:
    service = create_app()

    @service.post("/form")
    async def form(count: Annotated[int | bool, Form()]) -> None:
        del count

    async with client_for(service) as client:
        response = await client.post("/form", data={"count": "x"})

    assert [error["loc"] for error in response.json()["errors"]] == [["body", "count"]]


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (404, "Not Found"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (416, "Range Not Satisfiable"),
        (422, "Unprocessable Content"),
    ],
)
async def test_title_is_the_phrase_of_rfc_9110_on_every_python(status: int, title: str) -> None:
    service = create_app()

    @service.get("/fail")
    async def fail() -> None:
        raise HTTPException(status)

    async with client_for(service) as client:
        problem = (await client.get("/fail")).json()

    assert problem["title"] == phrase(status) == title
    assert problem["code"] == snake_case(title)


def test_code_is_the_class_name_in_snake_case_and_unique() -> None:
    codes = [error.code for error in subclasses(AppError)]

    assert "email_taken" in codes
    assert len(codes) == len(set(codes))


def subclasses(error: type[AppError]) -> list[type[AppError]]:
    """Return the error classes below a class."""
    below = error.__subclasses__()
    return [*below, *(c for child in below for c in subclasses(child))]


class Card(BaseModel):
    """A member of a discriminated union, with a field that is called like its tag."""

    kind: Literal["card"]
    card: str
    cvc: int


class Cash(BaseModel):
    """Another member."""

    kind: Literal["cash"]


Payment = Annotated[Card | Cash, Field(discriminator="kind")]


@pytest.mark.parametrize(
    ("payment", "loc"),
    [
        ({"kind": "card", "card": "4242", "cvc": "x"}, ["body", "payment", "cvc"]),
        ({"kind": "card", "card": "4242"}, ["body", "payment", "cvc"]),
        ({"kind": "secret-value"}, ["body", "payment"]),
        ("x", ["body", "payment"]),
    ],
)
async def test_rejected_field_of_a_discriminated_union_has_its_path_in_the_request(
    payment: object, loc: list[str]
) -> None:
    service = create_app()

    @service.post("/pay")
    async def pay(payment: Annotated[Payment, Body(embed=True)]) -> None:
        del payment

    async with client_for(service) as client:
        response = await client.post("/pay", json={"payment": payment})

    assert [error["loc"] for error in response.json()["errors"]] == [loc]
    assert "secret-value" not in response.text


async def test_union_member_with_the_name_of_a_key_in_the_body_is_not_part_of_the_path() -> None:
    service = create_app()

    @service.post("/union")
    async def union(u: Annotated[int | list[int], Body(embed=True)]) -> None:
        del u

    async with client_for(service) as client:
        errors = (await client.post("/union", json={"u": {"int": 1}})).json()["errors"]

    assert [error["loc"] for error in errors] == [["body", "u"]]


@pytest.mark.parametrize(
    ("content", "message"), [("{", "must be valid JSON"), ("[]", "must be a JSON object")]
)
async def test_body_that_is_not_a_json_object_is_named_plainly(
    client: AsyncClient, content: str, message: str
) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/users/", content=content, headers=headers)

    (error,) = response.json()["errors"]
    assert (error["loc"], error["msg"]) == (["body"], message)


@pytest.mark.parametrize("status", [418, 499, 520, 599])
@pytest.mark.parametrize("detail", ["text", {"a": 1}, ["a"], "\ud800", None])
async def test_http_exception_with_any_status_and_detail_is_a_problem_document(
    status: int,
    detail: Any,  # noqa: ANN401 - a parameter of a test
) -> None:
    service = create_app()

    @service.get("/fail")
    async def fail() -> None:
        raise HTTPException(status, detail)

    async with client_for(service) as client:
        response = await client.get("/fail")

    assert response.status_code == response.json()["status"] == status
    assert isinstance(response.json()["detail"], str)


@pytest.mark.parametrize(
    ("content_type", "content", "status"),
    [
        ("application/octet-stream", b"too long", 422),
        ("text/plain", b"too long", 422),
        ("application/octet-stream", b"ok", 200),
    ],
)
async def test_route_with_a_media_type_of_its_own_is_not_a_415(
    content_type: str, content: bytes, status: int
) -> None:
    service = create_app()

    @service.post("/raw")
    async def raw(
        body: Annotated[bytes, Body(media_type="application/octet-stream", max_length=5)],
    ) -> None:
        del body

    async with client_for(service) as client:
        headers = {"Content-Type": content_type}
        response = await client.post("/raw", content=content, headers=headers)

    assert response.status_code == status


@pytest.mark.parametrize("content_type", ["", "text/json", "application/notjson"])
async def test_json_without_its_content_type_is_415(client: AsyncClient, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    response = await client.post("/users/", content="{}", headers=headers)

    assert response.status_code == 415
    assert "application/json" in response.json()["detail"]
