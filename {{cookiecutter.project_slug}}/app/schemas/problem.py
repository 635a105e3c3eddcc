"""Failures, as clients read them (RFC 9457)."""

from pydantic import BaseModel, Field


class FieldProblem(BaseModel):
    """What is wrong with one part of the request. What was sent is never repeated."""

    loc: list[str | int] = Field(examples=[["body", "email"]])
    msg: str
    type: str


class Problem(BaseModel):
    """A problem document."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["Item not found."])
    errors: list[FieldProblem] | None = None
