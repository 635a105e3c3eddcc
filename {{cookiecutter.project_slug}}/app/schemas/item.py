"""Items, as clients see and send them."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.schemas.base import Line, Patch, ReadSchema, Text, WriteSchema

Title = Annotated[Line, Field(max_length=200)]
Description = Annotated[Text, Field(max_length=10_000)]


class ItemCreate(WriteSchema):
    """A new item; it belongs to whoever sends it."""

    title: Title
    description: Description | None = None


class ItemUpdate(WriteSchema):
    """What may change about an item. A description can be taken away with null."""

    title: Patch[Title] = None
    description: Description | None = None


class ItemRead(ReadSchema):
    """An item."""

    id: int
    title: str
    description: str | None
    owner_id: int
    created_at: datetime
    updated_at: datetime | None
