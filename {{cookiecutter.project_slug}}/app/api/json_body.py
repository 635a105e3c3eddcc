"""JSON bodies: a bounded number of values, and no field twice."""

import json
import re
from typing import Any

from fastapi import Request

from app.api.exceptions import DuplicateFieldError, TooManyValuesError
from app.api.problem import short_name

MAX_VALUES = 10_000  # of a body: each follows a comma, or the beginning of a list or an object
MAX_NAMES = 1000  # of an object
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


class StrictRequest(Request):
    """A request whose JSON body has a bounded number of values, and no field twice.

    Each value may be an error, whose description costs more than the value. Parsers disagree on
    which of two fields counts (RFC 8259 §4), so a proxy could check another one.
    """

    async def json(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the body."""
        body = await self.body()
        if _count_values(body) > MAX_VALUES and _count_values(STRING.sub(b"", body)) > MAX_VALUES:
            raise TooManyValuesError
        return json.loads(body, object_pairs_hook=_object)


def _count_values(body: bytes) -> int:
    return sum(map(body.count, (b",", b"[", b"{")))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_NAMES:
        raise TooManyValuesError
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise DuplicateFieldError(short_name(name))
        found[name] = value
    return found
