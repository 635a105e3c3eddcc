"""Schemas of the health checks."""

from typing import Literal

from pydantic import BaseModel


class HealthStatus(BaseModel):
    """The service is healthy; any other result is a problem document."""

    status: Literal["ok"] = "ok"
