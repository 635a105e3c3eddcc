"""Schemas of items."""

from datetime import datetime
from typing import Annotated

from app.schemas.base import ReadSchema, WriteSchema
from app.schemas.types import MultilineText, Patch, SingleLine

Title = Annotated[str, SingleLine(200)]
Description = Annotated[str, MultilineText(10_000)]


class ItemCreate(WriteSchema):
    """A new item; its owner is the user who sends it."""

    title: Title
    description: Description | None = None


class ItemUpdate(WriteSchema):
    """Changes of an item. A description can be removed with null."""

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
