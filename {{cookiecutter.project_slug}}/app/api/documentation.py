"""What OpenAPI says of failures: the framework's own description of them is not ours."""

from typing import Any

from pydantic.json_schema import models_json_schema

from app.api.errors import MEDIA_TYPE
from app.core.exceptions import AppError, InvalidTokenError
from app.schemas.problem import Problem

REFERENCE = "#/components/schemas/{model}"
CONTENT = {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model="Problem")}}}

PROBLEM_SCHEMAS = models_json_schema([(Problem, "serialization")], ref_template=REFERENCE)[1][
    "$defs"
]

Responses = dict[int | str, dict[str, Any]]


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": CONTENT}


# Any failure of any operation; it also takes the place of the framework's 422.
ANY_PROBLEM: Responses = {
    400: _problem("The request cannot be read, or asks for a host that is not served."),
    413: _problem("The body is too long."),
    "default": _problem("A problem document (RFC 9457)"),
}

# Failures of operations that have something: code and description.
USUAL = {
    "parameters": ("422", "The request is not valid."),
    "requestBody": ("422", "The request is not valid."),
    "security": ("401", InvalidTokenError.detail),
}


def problems(*errors: type[AppError]) -> Responses:
    """Return the documentation of the failures that an operation is known for."""
    details: dict[int, list[str]] = {}
    for error in errors:
        details.setdefault(error.status.value, []).append(error.detail)
    return {code: _problem(_either(*texts)) for code, texts in details.items()}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to an OpenAPI document what the framework leaves out, or says in its own words."""
    document["components"]["schemas"] |= PROBLEM_SCHEMAS
    for operation in (o for path in document["paths"].values() for o in path.values()):
        for code, description in dict(USUAL[part] for part in USUAL if part in operation).items():
            known = operation["responses"].setdefault(code, _problem(""))
            known["description"] = _either(description, known["description"])
    return document


def _either(*descriptions: str) -> str:
    return " Or: ".join(filter(None, descriptions))
