"""Field types of request bodies: emails, passwords, texts, fields of a PATCH."""

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    EmailStr,
    Field,
    GetCoreSchemaHandler,
    SecretStr,
)
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import (
    decimal_schema,
    no_info_after_validator_function,
    no_info_before_validator_function,
    str_schema,
)

from app.config import settings
from app.core.ids import MAX_ID
from app.core.password_policy import MAX_PASSWORD_LENGTH, find_violation

Value = TypeVar("Value")
MAX_JSON_DEPTH = 50


def _invalid(message: str) -> PydanticCustomError:
    """Return the error of a rejected value; a ValueError would prefix its message."""
    return PydanticCustomError("invalid_value", "{message}", {"message": message})


def _require(message: str, is_satisfied: Callable[[str], object]) -> AfterValidator:
    """Return a validator that rejects a text with the message unless it satisfies the rule."""

    def check(text: str) -> str:
        if not is_satisfied(text):
            raise _invalid(message)
        return text

    return AfterValidator(check)


def _check_password(password: SecretStr) -> SecretStr:
    if violation := find_violation(password.get_secret_value()):
        raise _invalid(violation)
    return password


def _reject_null(value: Value) -> Value:
    if value is None:
        message = "must not be null; omit the field to leave it unchanged"
        raise _invalid(message)
    return value


class _NotNull:
    """Rejects null, in validation and in the JSON schema."""

    @staticmethod
    def __get_pydantic_core_schema__(source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        nullable: Any = handler(source)
        return no_info_before_validator_function(_reject_null, nullable["schema"])


@dataclass(frozen=True)
class SingleLine:
    """Annotation: one line of text, stripped of white space: `Annotated[str, SingleLine(100)]`."""

    max_length: int

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        """Return the schema that Pydantic validates with."""
        text = str_schema(strip_whitespace=True, min_length=1, max_length=self.max_length)
        return no_info_after_validator_function(_check_single_line, text)


@dataclass(frozen=True)
class MultilineText:
    """Annotation: text that may be empty: `Annotated[str, MultilineText(10_000)]`."""

    max_length: int

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        """Return the schema that Pydantic validates with."""
        text = str_schema(max_length=self.max_length)
        return no_info_after_validator_function(_check_multiline_text, text)


@dataclass(frozen=True)
class FixedPoint:
    """Annotation: a number of a `Numeric` column: `Annotated[Decimal, FixedPoint(12, 2)]`.

    It gets the decimal places of the column, so that a response has the same text before and
    after the number was stored.
    """

    max_digits: int
    decimal_places: int

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        """Return the schema that Pydantic validates with."""
        number = decimal_schema(max_digits=self.max_digits, decimal_places=self.decimal_places)
        return no_info_after_validator_function(self._with_all_places, number)

    def _with_all_places(self, number: Decimal) -> Decimal:
        return number.quantize(Decimal(1).scaleb(-self.decimal_places)) + 0  # which is never -0


def _check_single_line(text: str) -> str:
    if not text.isprintable():
        message = "must be one line without control characters"
        raise _invalid(message)
    return text


def _check_multiline_text(text: str) -> str:
    """Reject control characters: PostgreSQL cannot store NUL, and no text needs the others."""
    if any(unicodedata.category(c) == "Cc" and c not in "\n\r\t" for c in text):
        message = "must not contain control characters"
        raise _invalid(message)
    return text


def _to_utc(time: datetime) -> datetime:
    """Return the time in UTC, which it is in without an offset."""
    try:
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:  # such as year 1 with an offset
        message = "must be a time from year 1 to 9999 in UTC"
        raise _invalid(message) from None


Id = Annotated[int, Field(ge=1, le=MAX_ID)]
# A number for a column of `Mapped[int]`: PostgreSQL's `integer` has 32 bits.
Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
SearchText = Annotated[str, MultilineText(200)]
Timestamp = Annotated[datetime, AfterValidator(_to_utc)]

# Normalized, so that the unique index recognizes every spelling of an email (RFC 6531).
Email = Annotated[
    EmailStr,
    BeforeValidator(lambda value: value.strip() if isinstance(value, str) else value),
    _require(
        "must not contain Unicode compatibility characters, such as full-width letters",
        lambda text: unicodedata.is_normalized("NFKC", text),
    ),
    _require(
        "must not contain an encoded word, such as =?utf-8?q?…?=", lambda text: "=?" not in text
    ),  # RFC 2047
    AfterValidator(str.lower),
]

RandomId = Annotated[
    str,
    _require("must be an id of 43 characters", re.compile(r"[A-Za-z0-9_-]{43}").fullmatch),
]

Password = Annotated[
    SecretStr,
    Field(
        json_schema_extra={
            "minLength": settings.PASSWORD_MIN_LENGTH,
            "maxLength": MAX_PASSWORD_LENGTH,
        },
    ),
    AfterValidator(_check_password),
]


def _check_json(value: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        message = "must not contain NaN, Infinity or half a surrogate pair"
        raise _invalid(message) from None
    if _depth(value) > MAX_JSON_DEPTH:
        message = f"must have at most {MAX_JSON_DEPTH} levels"
        raise _invalid(message)
    return value


def _depth(value: object) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, parts), default=0)


# An object that every database stores as it is.
JsonObject = Annotated[dict[str, Any], AfterValidator(_check_json)]

# A field of a PATCH body: omitted means unchanged, and null is rejected.
Patch = Annotated[Value | None, _NotNull]
