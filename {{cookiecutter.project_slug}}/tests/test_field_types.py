"""Field types of request bodies and query parameters, on throw-away models."""

import json
from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import BaseModel, ValidationError

from app.schemas.types import (
    FixedPoint,
    Id,
    Int32,
    JsonObject,
    MultilineText,
    SearchText,
    SingleLine,
    Timestamp,
)


class Fields(BaseModel):
    """One field of each type."""

    data: JsonObject | None = None
    decimal: Annotated[Decimal, FixedPoint(5, 2)] = Decimal(0)
    id: Id = 1
    line: Annotated[str, SingleLine(10)] = "x"
    number: Int32 = 0
    search: SearchText = ""
    text: Annotated[str, MultilineText(10)] = ""
    time: Timestamp | None = None


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("data", {"a": [1, {"ü": "\0"}]}, {"a": [1, {"ü": "\0"}]}),
        ("decimal", "10.5", Decimal("10.50")),
        ("decimal", "1E+2", Decimal("100.00")),
        ("decimal", "-0", Decimal("0.00")),
        ("id", 2**31 - 1, 2**31 - 1),
        ("line", "  Ünï 1 ", "Ünï 1"),
        ("number", -(2**31), -(2**31)),
        ("search", "50%", "50%"),
        ("text", "a\n\tb", "a\n\tb"),
        ("time", "2026-01-01", "2026-01-01T00:00:00+00:00"),
        ("time", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00+00:00"),
    ],
)
def test_value_is_normalized(field: str, value: object, stored: object) -> None:
    found = getattr(Fields.model_validate({field: value}), field)

    assert str(found.isoformat() if field == "time" else found) == str(stored)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("data", {"a": float("nan")}, "must not contain NaN"),
        ("data", {"a": ["\ud800"]}, "must not contain NaN"),
        ("data", json.loads('{"a": ' + "[" * 60 + "]" * 60 + "}"), "at most 50 levels"),
        ("decimal", "0.001", "2 decimal places"),
        ("decimal", "1000", "3 digits before"),
        ("decimal", "1e999999", "5 digits"),
        ("decimal", "NaN", "finite number"),
        ("id", 0, "greater than or equal to 1"),
        ("id", 2**31, "less than or equal to"),
        ("line", " ", "at least 1 character"),
        ("line", "a\nb", "must be one line"),
        ("line", "x" * 11, "at most 10 characters"),
        ("number", 2**31, "less than or equal to"),
        ("search", "a\0b", "must not contain control characters"),
        ("text", "a\0b", "must not contain control characters"),
        ("text", "x" * 11, "at most 10 characters"),
        ("time", "yesterday", "valid datetime"),
        ("time", "0001-01-01T00:00:00+14:00", "must be a time from year 1 to 9999"),
        ("time", "9999-12-31T23:59:59-14:00", "must be a time from year 1 to 9999"),
    ],
)
def test_invalid_value_is_rejected_with_a_message(field: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Fields.model_validate({field: value})
