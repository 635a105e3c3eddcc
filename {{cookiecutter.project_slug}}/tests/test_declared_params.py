"""Query parameters and form fields: those that a route declares, each of them once."""

from typing import Annotated

import pytest
from fastapi import Depends, Form, Query
from fastapi.security import APIKeyQuery
from httpx2 import AsyncClient
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from app.api.routing import Router
from app.main import create_app
from tests.helpers import client_for


class Model(BaseModel):
    """Parameters of several kinds of names."""

    plain: int = 0
    aliased: Annotated[int, Field(alias="alias")] = 0
    either: Annotated[int, Field(validation_alias=AliasChoices("one", AliasPath("two", 0)))] = 0


class NamedModel(BaseModel):
    """Parameters that have a name and an alias."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)

    first_name: str = ""


class OpenModel(BaseModel):
    """Parameters of any name."""

    model_config = ConfigDict(extra="allow")


async def get_language(
    lang: str = "en", hidden: Annotated[str, Query(include_in_schema=False)] = ""
) -> str:
    """Return a parameter that a dependency declares."""
    return lang + hidden


Key = Annotated[str | None, Depends(APIKeyQuery(name="api_key", auto_error=False))]
Language = Annotated[str, Depends(get_language)]
router = Router()


@router.get("/things")
async def list_things(
    _model: Annotated[Model, Query()], _language: Language, _key: Key, q: str | None = None
) -> str | None:
    """Declare parameters in several ways."""
    return q


@router.get("/named")
async def list_named(model: Annotated[NamedModel, Query()]) -> str:
    """Declare a parameter with two names."""
    return model.first_name


@router.get("/open")
async def list_anything(_model: Annotated[OpenModel | None, Query()] = None) -> None:
    """Declare that all parameters are known."""


@router.get("/repeated")
async def list_repeated(
    ids: Annotated[list[int] | None, Query()] = None,
    tags: Annotated[set[str] | None, Query()] = None,
    one: str | None = None,
) -> None:
    """Declare lists."""
    del ids, tags, one


@router.post("/forms")
async def create_form(
    name: Annotated[str, Form()], labels: Annotated[list[str], Form()], lang: Language
) -> str:
    """Declare form fields."""
    return f"{name} {labels} {lang}"


@router.delete("/things")
async def delete_things() -> None:
    """Declare no parameters."""


async def request(method: str, url: str) -> tuple[int, list[list[str]], str]:
    """Return status, rejected parameters and the last message."""
    service = create_app()
    region = Depends(lambda region="": region)
    service.include_router(router, prefix="/v1", dependencies=[region])
    async with client_for(service) as client:
        response = await client.request(method, url)
    errors = (response.json() or {}).get("errors", []) if response.is_error else []
    return response.status_code, [e["loc"] for e in errors], errors[-1]["msg"] if errors else ""


@pytest.mark.parametrize(
    "name", ["q", "plain", "alias", "one", "lang", "hidden", "api_key", "region"]
)
async def test_declared_query_parameter_is_known(name: str) -> None:
    assert (await request("GET", f"/v1/things?{name}=1"))[0] == 200


@pytest.mark.parametrize("name", ["Q", "aliased", "either", "x" * 500, "%ED%A0%80"])
async def test_unknown_query_parameter_is_rejected_and_the_known_ones_are_listed(
    name: str,
) -> None:
    status, loc, message = await request("GET", f"/v1/things?{name}=1")

    assert status == 422
    assert loc[0][0] == "query"
    assert len(loc[0][1]) <= 100
    known = "alias, api_key, hidden, lang, one, plain, q, region, two"
    assert message == f"is not a parameter of this operation; known are: {known}"


async def test_operation_without_query_parameters_rejects_all() -> None:
    status, loc, message = await request("DELETE", "/v1/things?q=x")

    assert (status, loc) == (422, [["query", "q"]])
    assert message == "is not a parameter of this operation; known are: region"


async def test_number_of_reported_parameters_is_limited() -> None:
    _, loc, _ = await request("DELETE", "/v1/things?" + "&".join(f"x{n}=" for n in range(1000)))

    assert len(loc) == 10


@pytest.mark.parametrize("name", ["first_name", "firstName"])
async def test_name_and_alias_of_a_parameter_are_known(name: str) -> None:
    assert (await request("GET", f"/v1/named?{name}=x"))[0] == 200


async def test_model_that_allows_other_parameters_allows_them() -> None:
    assert (await request("GET", "/v1/open?anything=1"))[0] == 200


async def test_operation_of_the_service_names_its_parameters(as_ann: AsyncClient) -> None:
    response = await as_ann.get("/users/me?verbose=1")

    (error,) = response.json()["errors"]
    assert error["loc"] == ["query", "verbose"]
    assert error["msg"] == "is not a parameter of this operation; there are none"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("ids=1&ids=2&tags=a&tags=b&one=x", 200),
        ("one=x&one=x", 422),
        ("ids=1&one=x&one=y", 422),
    ],
)
async def test_query_parameter_is_repeated_only_if_it_is_a_list(query: str, code: int) -> None:
    status, loc, message = await request("GET", f"/v1/repeated?{query}")

    assert status == code
    assert code == 200 or (loc, message) == ([["query", "one"]], "must be sent once")


async def test_parameter_of_a_model_is_not_repeated() -> None:
    assert (await request("GET", "/v1/things?plain=1&plain=2"))[1] == [["query", "plain"]]
    assert (await request("GET", "/v1/open?anything=1&anything=2"))[0] == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [("name=a&labels=x&labels=y", 200), ("name=a&name=b&labels=x", 422)],
)
async def test_form_field_is_repeated_only_if_it_is_a_list(body: str, code: int) -> None:
    service = create_app()
    service.include_router(router, prefix="/v1")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with client_for(service) as client:
        response = await client.post("/v1/forms", content=body, headers=form)

    assert response.status_code == code
    assert code == 200 or response.json()["errors"][0]["loc"] == ["body", "name"]


async def test_login_with_two_usernames_is_rejected(client: AsyncClient) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "username=a%40example.com&username=b%40example.com&password=x"

    response = await client.post("/auth/login", content=body, headers=form)

    assert response.status_code == 422
