"""Invalid parameters: validation errors of Pydantic, named as the client knows the fields."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError

from app.api.problem import short_name
from app.schemas.problem import InvalidParam

MISSING = object()
MAX_ERRORS = 10
PYTHON_PREFIX = re.compile(r"^(Value error|Assertion failed), ")  # of Pydantic's messages
MESSAGES = {  # where those of Pydantic speak of Python
    "json_invalid": "must be valid JSON",
    "dataclass_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a JSON array",
    "model_attributes_type": "must be a JSON object",
    "model_type": "must be a JSON object",
}


def invalid_params(error: RequestValidationError) -> list[InvalidParam]:
    """Return an error for each of the first rejected fields.

    It does not have the value, which may be a password.
    """
    params: dict[tuple[str | int, ...], InvalidParam] = {}
    for details in error.errors():
        if len(params) == MAX_ERRORS:
            break
        path = tuple(map(_printable, _field_path(details, error.body)))
        param = InvalidParam(loc=list(path), msg=_message(details), type=details["type"])
        params.setdefault(path, param)
    return list(params.values())


def _message(details: Mapping[str, Any]) -> str:
    if details["type"] == "union_tag_invalid":  # Pydantic's message has the value
        return f"must have one of these tags: {details['ctx']['expected_tags']}"
    return MESSAGES.get(details["type"]) or PYTHON_PREFIX.sub("", details["msg"])


def _field_path(details: Mapping[str, Any], body: object) -> Sequence[str | int]:
    """Return the path of the field in the request.

    Pydantic adds names for members of unions and for validators, which are not in the body:
    `("body", "pet", "Cat", "lives")` is `("body", "pet", "lives")` for the client.
    """
    where, *parts = details["loc"]
    if where != "body":
        return [where, *parts[:1]]  # such as "query" and the name
    if details["type"] == "json_invalid":
        return [where]
    is_missing = details["type"] == "missing"
    found = _find(parts, body, details.get("input", MISSING), is_missing=is_missing)
    return [where, *(parts if found is None else found)]


def _find(
    parts: Sequence[str | int], value: object, rejected: object, *, is_missing: bool
) -> list[str | int] | None:
    """Return those parts that lead from the value to the rejected one, or None.

    The rejected value of a missing field is the object that does not have it.
    """
    if not parts:
        return [] if value is rejected else None
    part, *rest = parts
    child = _get(value, part)
    if child is not MISSING:
        path = _find(rest, child, rejected, is_missing=is_missing)
        if path is not None:
            return [part, *path]
    if is_missing and not rest and value is rejected:
        return [part]
    return _find(rest, value, rejected, is_missing=is_missing)


def _get(value: object, key: str | int) -> object:
    """Return a member of a JSON object or array, or MISSING."""
    if isinstance(value, Mapping):
        return value.get(key, MISSING)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return MISSING


def _printable(part: str | int) -> str | int:
    return short_name(part) if isinstance(part, str) else part
