"""The words that bodies and parameters are made of."""

import unicodedata
from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    SecretStr,
    StringConstraints,
)
from pydantic.json_schema import SkipJsonSchema

from app.core.passwords import is_common, is_text

Value = TypeVar("Value")

LARGEST_ID = 2**31 - 1  # of PostgreSQL's integer


class ReadSchema(BaseModel):
    """An answer, made from a row."""

    model_config = ConfigDict(from_attributes=True)


class WriteSchema(BaseModel):
    """A body. A field that it does not know is a mistake of the client, or an attack."""

    model_config = ConfigDict(extra="forbid")


class PageParams(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        int, Field(ge=0, le=LARGEST_ID, description="The id that the page begins after")
    ] = 0
    skip: Annotated[int, Field(ge=0, le=LARGEST_ID)] = 0
    limit: Annotated[int, Field(ge=1, le=100)] = 100


def _must(message: str, holds: Callable[[str], bool]) -> AfterValidator:
    """Return a rule for text, plain or secret, which says `message` where it does not hold."""

    def check(value: Value) -> Value:
        if not holds(value.get_secret_value() if isinstance(value, SecretStr) else str(value)):
            raise ValueError(message)
        return value

    return AfterValidator(check)


def _printable(text: str) -> bool:
    return all(unicodedata.category(c) != "Cc" or c in "\n\r\t" for c in text)


def _not_null(value: Value) -> Value:
    if value is None:
        message = "may be left out, but not null"
        raise ValueError(message)
    return value


# Text for people. PostgreSQL cannot store NUL, and no name needs a bell.
Text = Annotated[str, _must("must not contain control characters", _printable)]
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1),
    _must("must be one line without control characters", str.isprintable),
]

# One spelling for each address, so that the unique index knows it again (RFC 6531).
Email = Annotated[
    EmailStr,
    BeforeValidator(lambda value: value.strip() if isinstance(value, str) else value),
    _must(
        "must not contain look-alike characters",
        lambda text: unicodedata.is_normalized("NFKC", text),
    ),
    _must("must not contain an encoded word", lambda text: "=?" not in text),  # RFC 2047
    AfterValidator(str.lower),
]

Password = Annotated[
    SecretStr,
    Field(json_schema_extra={"minLength": 8, "maxLength": 100}),
    _must("must have 8 to 100 characters", lambda text: 8 <= len(text) <= 100),  # noqa: PLR2004 - it says so
    _must("must not contain control characters", is_text),
    _must("must contain an uppercase letter", lambda text: any(map(str.isupper, text))),
    _must("must contain a lowercase letter", lambda text: any(map(str.islower, text))),
    _must("must contain a digit", lambda text: any(map(str.isdecimal, text))),
    _must("must not be one of the commonest", lambda text: not is_common(text)),
]

# A field of a PATCH body: left out, it stays as it is; null is not a value.
Patch = Annotated[Value | SkipJsonSchema[None], AfterValidator(_not_null)]
