"""Query parameters: those that a route declares are known, all others are rejected."""

from typing import Annotated

import pytest
from fastapi import Depends, Query
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
