"""Base classes of the schemas for reading, writing and pagination."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.core.ids import MAX_ID


class ReadSchema(BaseModel):
    """A response body, made from a row."""

    model_config = ConfigDict(from_attributes=True)


class WriteSchema(BaseModel):
    """A request body. Unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid")


class PageParams(BaseModel):
    """Pagination parameters of a list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        int, Field(ge=0, le=MAX_ID, description="Id of the last row of the previous page")
    ] = 0
    skip: Annotated[int, Field(ge=0, le=MAX_ID, description="Number of rows to skip")] = 0
    limit: Annotated[int, Field(ge=1, le=100, description="Maximum number of rows")] = 100
