"""What OpenAPI says of failures: the framework's own description of them is not ours."""

from typing import Any

from pydantic.json_schema import models_json_schema

from app.api.errors import MEDIA_TYPE
from app.core.exceptions import AppError
from app.schemas.problem import Problem

REFERENCE = "#/components/schemas/{model}"
CONTENT = {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model="Problem")}}}

PROBLEM_SCHEMAS = models_json_schema([(Problem, "serialization")], ref_template=REFERENCE)[1][
    "$defs"
]

# Any failure of any operation; it also takes the place of the framework's 422.
ANY_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {"description": "A problem document (RFC 9457)", "content": CONTENT}
}


def problems(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of the failures that an operation is known for."""
    return {e.status.value: {"description": e.detail, "content": CONTENT} for e in errors}
