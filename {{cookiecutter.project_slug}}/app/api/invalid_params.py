"""Invalid parameters: validation errors of Pydantic, named as the client knows the fields."""

import re
from collections.abc import Iterator, Mapping, Sequence

from fastapi.exceptions import RequestValidationError

from app.schemas.problem import InvalidParam

MISSING = object()
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
    """Return one error for each rejected field, without the value, which may be a password."""
    params: dict[tuple[str | int, ...], InvalidParam] = {}
    for details in error.errors():
        kind = details["type"]
        loc = ("body",) if kind == "json_invalid" else details["loc"]
        path = tuple(_field_path(loc, kind, error.body))
        msg = MESSAGES.get(kind) or PYTHON_PREFIX.sub("", details["msg"])
        params.setdefault(path, InvalidParam(loc=list(path), msg=msg, type=kind))
    return list(params.values())


def _field_path(loc: Sequence[str | int], kind: str, body: object) -> Iterator[str | int]:
    """Yield the path of the field in the request.

    Pydantic adds names for members of unions and for validators, which are not in the body:
    `("body", "pet", "Cat", "lives")` is `("body", "pet", "lives")` for the client.
    """
    if loc[0] != "body":
        yield from map(_encodable, loc[:2])  # such as "query" and the name
        return
    yield loc[0]
    value = body
    for position, part in enumerate(loc[1:], start=2):
        is_missing = kind == "missing" and position == len(loc)
        found = _get(value, part)
        if isinstance(part, int) or is_missing or found is not MISSING:
            yield _encodable(part)
            value = found


def _get(value: object, key: str | int) -> object:
    """Return a member of a JSON object or array, or MISSING."""
    if isinstance(value, Mapping):
        return value.get(key, MISSING)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return MISSING


def _encodable(part: str | int) -> str | int:
    """Replace lone surrogates, which a client may send in a name, but a response cannot encode."""
    return part.encode(errors="replace").decode() if isinstance(part, str) else part
