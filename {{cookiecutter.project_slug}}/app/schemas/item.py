"""Schemas of items."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.schemas.base import Filters, ReadSchema, WriteSchema
from app.schemas.types import Id, MultilineText, Patch, SearchText, SingleLine, Timestamp

Title = Annotated[str, SingleLine(200)]
Description = Annotated[str, MultilineText(10_000)]


class ItemCreate(WriteSchema):
    """A new item; its owner is the user who sends it."""

    title: Title
    description: Description | None = None


class ItemUpdate(WriteSchema):
    """Changes of an item: the fields that are sent."""

    title: Patch[Title] = None
    description: Description | None = None


class ItemFilters(Filters):
    """Filters and order of items. Columns of `sort` have an index."""

    q: SearchText | None = Field(None, description="Text that the title contains")
    owner_id: Id | None = Field(None, description="Id of the owner, for superusers")
    created_after: Timestamp | None = Field(None, description="Created after this time")
    created_before: Timestamp | None = Field(None, description="Created before this time")
    sort: Literal["id", "-id", "title", "-title", "created_at", "-created_at"] = Field(
        "id", description="Order: a field, or `-field` for descending"
    )


class ItemRead(ReadSchema):
    """An item."""

    id: int
    title: str
    description: str | None
    owner_id: int
    created_at: datetime
    updated_at: datetime | None
