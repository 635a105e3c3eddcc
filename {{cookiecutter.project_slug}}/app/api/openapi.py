"""OpenAPI document: operation ids, and the error responses that FastAPI does not document."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from app.api.exceptions import (
    ContentTooLargeError,
    DuplicateFieldError,
    InternalError,
    InvalidContentLengthError,
    InvalidHostError,
    TooManyValuesError,
    UnsupportedMediaTypeError,
)
from app.api.problem import PROBLEM_MEDIA_TYPE, phrase
from app.core.app_error import AppError
from app.core.exceptions import InvalidTokenError, NotAuthenticatedError
from app.schemas.problem import ProblemDetails

SCHEMA_REF = "#/components/schemas/{model}"
PROBLEM_SCHEMAS = models_json_schema([(ProblemDetails, "serialization")], ref_template=SCHEMA_REF)[
    1
]["$defs"]

Example = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]


def operation_id(route: APIRoute) -> str:
    """Operation id: the function name, which becomes the method name in generated clients."""
    return route.name


def problems(*errors: type[AppError]) -> Responses:
    """Return the documentation of the errors that an operation raises, with an example of each."""
    by_status: dict[int, list[Example]] = {}
    for error in errors:
        by_status.setdefault(error.status.value, []).append(_example(error))
    return {status: _response(examples) for status, examples in by_status.items()}


def _example(error: type[AppError]) -> Example:
    return {
        "type": "about:blank",
        "title": phrase(error.status),
        "status": error.status.value,
        "code": error.code,
        "detail": error.detail,
    }


INVALID_REQUEST: Example = {
    "type": "about:blank",
    "title": phrase(422),
    "status": 422,
    "code": "request_validation",
    "detail": "The request is not valid: see errors.",
    "errors": [{"loc": ["body", "field"], "msg": "Field required", "type": "missing"}],
}


def _response(examples: Iterable[Example]) -> dict[str, Any]:
    named = {example["code"]: example for example in examples}
    return {
        "description": " Or: ".join(example["detail"] for example in named.values()),
        "content": {
            PROBLEM_MEDIA_TYPE: {
                "schema": {"$ref": SCHEMA_REF.format(model="ProblemDetails")},
                "examples": {
                    code: {"summary": example["detail"], "value": example}
                    for code, example in named.items()
                },
            }
        },
    }


# Errors of every operation. "default" also replaces the framework's own 422.
COMMON_RESPONSES: Responses = problems(
    InvalidHostError, InvalidContentLengthError, ContentTooLargeError
) | {"default": problems(InternalError)[500] | {"description": "Any other error."}}
# Errors of operations that have parameters, a body or authentication.
IMPLIED_RESPONSES: Mapping[str, Responses] = {
    "parameters": {422: _response([INVALID_REQUEST])},
    "requestBody": problems(UnsupportedMediaTypeError)
    | {
        422: _response([INVALID_REQUEST, *map(_example, (DuplicateFieldError, TooManyValuesError))])
    },
    "security": problems(NotAuthenticatedError, InvalidTokenError),
}


def extend_openapi(app: FastAPI) -> None:
    """Add error responses to the OpenAPI document, in the way that FastAPI documents."""
    generate = app.openapi
    extended: dict[str, Any] | None = None

    def openapi() -> dict[str, Any]:
        nonlocal extended
        document = generate()  # cached by FastAPI until the routes change
        if document is not extended:
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas |= PROBLEM_SCHEMAS
            for path in document["paths"].values():
                for operation in path.values():
                    _remove_null(operation)
                    _add_implied_responses(operation)
            extended = document
        return document

    app.openapi = openapi


def _remove_null(operation: dict[str, Any]) -> None:
    """Remove null from the types of parameters: they can be left out, but not be null."""
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        types = [type_ for type_ in schema.get("anyOf", ()) if type_.get("type") != "null"]
        if len(types) == 1:
            del schema["anyOf"]
            schema |= types[0]
        elif types:
            schema["anyOf"] = types


def _add_implied_responses(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    for part, implied in IMPLIED_RESPONSES.items():
        for status, response in implied.items() if part in operation else ():
            declared = responses.get(str(status))
            responses[str(status)] = _join(response, declared) if declared else response


def _join(implied: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    """Return one response with the examples of both; keep a declared one without examples."""
    examples = [_examples(response) for response in (implied, declared)]
    return _response(chain(*examples)) if all(examples) else declared


def _examples(response: dict[str, Any]) -> list[Example]:
    """Return the examples that `problems` has made, or none."""
    content = response.get("content", {}).get(PROBLEM_MEDIA_TYPE, {})
    values = [example.get("value") for example in content.get("examples", {}).values()]
    return (
        values
        if all(isinstance(v, dict) and {"code", "detail"} <= v.keys() for v in values)
        else []
    )
