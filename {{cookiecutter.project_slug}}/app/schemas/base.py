"""Base classes of the schemas: for reading, for writing, and for the filters of lists."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

Condition = TypeVar("Condition")


class ReadSchema(BaseModel):
    """A response body, made from a row."""

    model_config = ConfigDict(from_attributes=True)


class WriteSchema(BaseModel):
    """A request body. Unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid")


class Filters(BaseModel):
    """Query parameters of a list: filters, each of which may be omitted, and perhaps the order.

    The order is a list of columns: `sort: Literal["id", "-id", "title", "-title"] = "id"`.
    """

    def conditions(self, table: Mapping[str, Callable[[Any], Condition]]) -> list[Condition]:
        """Return the conditions of the filters that were sent, from a table of all filters."""
        sent = self.model_dump(exclude={"sort"}, exclude_none=True)
        return [table[name](value) for name, value in sent.items()]
