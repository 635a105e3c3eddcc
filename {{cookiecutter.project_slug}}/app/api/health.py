"""Health checks: liveness and readiness."""

from fastapi import Depends

from app.api.openapi import problems
from app.api.routing import Router
from app.core.exceptions import DatabaseUnavailableError, ShuttingDownError
from app.schemas.health import HealthStatus
from app.services.health_service import check_readiness

router = Router(prefix="/health", tags=["health"])


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
