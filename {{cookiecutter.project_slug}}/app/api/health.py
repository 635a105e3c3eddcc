"""Health checks: liveness and readiness."""

from typing import Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from app.api.openapi import problems
from app.core.exceptions import DatabaseUnavailableError, ShuttingDownError
from app.services.health_service import check_readiness

router = APIRouter(prefix="/health", tags=["health"])


class HealthStatus(BaseModel):
    """The service is healthy; any other result is a problem document."""

    status: Literal["ok"] = "ok"


@router.get("/live")
async def get_liveness() -> HealthStatus:
    """Liveness check: the process responds. If it does not, restart it."""
    return HealthStatus()


@router.get(
    "/ready",
    responses=problems(DatabaseUnavailableError, ShuttingDownError),
    dependencies=[Depends(check_readiness)],
)
async def get_readiness() -> HealthStatus:
    """Readiness check: the database responds and is migrated. If not, send no requests here."""
    return HealthStatus()
