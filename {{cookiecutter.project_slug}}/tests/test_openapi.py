"""OpenAPI document: the public contract, from which clients are generated."""

import json
import re
import tomllib
from typing import Any

import pytest

from app.config import settings
from app.core.password_policy import MAX_PASSWORD_LENGTH
from app.main import app, create_app
from app.schemas.base import WriteSchema
from app.schemas.problem import ProblemDetails
from app.schemas.types import Patch
from tests.helpers import API, ROOT, operations

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    """Return the OpenAPI document, as clients get it."""
    written: Document = json.loads(json.dumps(app.openapi()))
    return written


def error_responses(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the documentation of the error responses of an operation."""
    return {s: r for s, r in operation["responses"].items() if s[0] not in "123"}


def problem_examples(operation: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Return status, name and value of each example of an error response."""
    return [
        (status, name, example["value"])
        for status, response in operation["responses"].items()
        for content in response.get("content", {}).values()
        for name, example in content.get("examples", {}).items()
    ]


def test_every_operation_documents_its_error_responses(document: Document) -> None:
    for operation in operations(document).values():
        assert {"400", "413", "default"} <= operation["responses"].keys()
        assert ("422" in operation["responses"]) == bool(
            {"parameters", "requestBody"} & {*operation}
        )
        assert ("401" in operation["responses"]) >= ("security" in operation)
        for code, response in error_responses(operation).items():
            assert "application/problem+json" in response.get("content", {}), (
                f"{operation['operationId']}: document {code} by responses=problems(...)"
            )


def test_error_response_has_an_example_of_each_error(document: Document) -> None:
    change = operations(document)[f"PATCH {API}/users/me"]

    names = {name for status, name, _ in problem_examples(change) if status == "422"}
    assert names == {
        *("request_validation", "duplicate_field", "too_many_values", "guessable_password")
    }
    assert change["responses"]["422"]["description"].startswith(
        "The request is not valid: see errors. Or: "
    )
    assert app.openapi() is app.openapi()  # cached


def test_every_schema_reference_can_be_resolved(document: Document) -> None:
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))

    assert references <= document["components"]["schemas"].keys()
    assert "HTTPValidationError" not in references


def test_security_scheme_points_to_login_and_refresh(document: Document) -> None:
    flow = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"]

    assert flow["tokenUrl"].endswith("/auth/login")
    assert flow["refreshUrl"].endswith("/auth/refresh")
    for url in flow["tokenUrl"], flow["refreshUrl"]:  # relative, for a path prefix
        assert f"POST /{url}" in operations(document)


def test_operation_ids_are_the_unique_function_names(document: Document) -> None:
    ids = [operation["operationId"] for operation in operations(document).values()]

    assert operations(document)[f"GET {API}/users/"]["operationId"] == "list_users"
    twice = {id_ for id_ in ids if ids.count(id_) > 1}
    assert not twice, f"rename these functions, whose names clients use: {twice}"
    assert all(id_.isidentifier() for id_ in ids)


def test_info_has_name_description_and_version_of_the_project(document: Document) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert document["info"] == {
        "title": settings.PROJECT_NAME,
        "description": project["description"],
        "version": project["version"],
    }


def test_each_example_of_an_error_response_fits_its_status(document: Document) -> None:
    for operation in operations(document).values():
        examples = problem_examples(operation)
        assert {status for status, _, _ in examples} == error_responses(operation).keys()
        for status, name, value in examples:
            assert status in {str(value["status"]), "default"}
            assert name == value["code"]


def test_schema_names_are_plain_type_names(document: Document) -> None:
    for name in document["components"]["schemas"]:
        assert re.fullmatch(r"[A-Z]\w*", name)  # not the path of a module


def test_password_field_has_the_lengths_of_the_policy(document: Document) -> None:
    password = document["components"]["schemas"]["UserCreate"]["properties"]["password"]

    lengths = (password["minLength"], password["maxLength"])
    assert lengths == (settings.PASSWORD_MIN_LENGTH, MAX_PASSWORD_LENGTH)


class Changes(WriteSchema):
    """A PATCH body."""

    name: Patch[str] = None
    note: str | None = None


def test_patch_field_is_optional_but_not_null() -> None:
    schema = Changes.model_json_schema()

    assert "required" not in schema
    assert "null" not in str(schema["properties"]["name"])
    assert "null" in str(schema["properties"]["note"])


OWN = {"description": "Own description"}


@pytest.mark.parametrize(
    "response",
    [
        OWN,
        OWN | {"content": {"application/problem+json": {"schema": {"type": "object"}}}},
        OWN | {"content": {"application/problem+json": {"examples": {"x": {"value": 1}}}}},
        OWN | {"content": {"application/problem+json": {"examples": {"x": {"summary": "X"}}}}},
    ],
)
def test_route_that_is_added_later_keeps_its_own_error_responses(
    response: dict[str, Any],
) -> None:
    service = create_app()
    assert service.openapi()

    @service.post("/late", responses={422: response, 404: {"model": ProblemDetails}})
    async def late(name: str) -> None:
        del name

    paths = service.openapi()["paths"]
    assert paths["/late"]["post"]["responses"]["422"] == response
    assert "default" in paths["/late"]["post"]["responses"]
    assert {"409", "415", "422"} <= paths[f"{API}/users/"]["post"]["responses"].keys()


def test_parameters_are_left_out_instead_of_being_null(document: Document) -> None:
    for operation in operations(document).values():
        assert "null" not in json.dumps([p["schema"] for p in operation.get("parameters", ())])


def test_parameter_keeps_its_other_types() -> None:
    service = create_app()

    @service.get("/other")
    async def get_other(key: int | bool | None = None) -> None:
        del key

    (parameter,) = service.openapi()["paths"]["/other"]["get"]["parameters"]
    assert parameter["schema"]["anyOf"] == [{"type": "integer"}, {"type": "boolean"}]
