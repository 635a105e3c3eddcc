"""Schemas of error responses: problem documents (RFC 9457)."""

from pydantic import BaseModel, Field


class InvalidParam(BaseModel):
    """A rejected field or parameter. The value that was sent is never repeated."""

    loc: list[str | int] = Field(description="Path of the field", examples=[["body", "email"]])
    msg: str = Field(description="What is wrong, in English")
    type: str = Field(description="Machine-readable kind of error", examples=["missing"])


class ProblemDetails(BaseModel):
    """A problem document."""

    type: str = "about:blank"
    title: str = Field(description="Phrase of the status (RFC 9110)")
    status: int = Field(description="HTTP status")
    code: str = Field(description="Machine-readable code, independent of language and version")
    detail: str = Field(description="What is wrong, in English")
    errors: list[InvalidParam] | None = Field(None, description="Rejected fields and parameters")
