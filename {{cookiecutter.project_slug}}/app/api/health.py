"""Health, for whoever runs the service: is it alive, and should it get requests?"""

from typing import Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from app.api.documentation import problems
from app.core.exceptions import NotReadyError, StoppingError
from app.services.health_service import check_readiness

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """All is well; anything else is a problem document."""

    status: Literal["ok"] = "ok"


@router.get("/live")
async def live() -> Health:
    """Tell that the process answers. If it does not, restart it."""
    return Health()


@router.get(
    "/ready",
    responses=problems(NotReadyError, StoppingError),
    dependencies=[Depends(check_readiness)],
)
async def ready() -> Health:
    """Tell that the database answers and is migrated. If not, send requests elsewhere."""
    return Health()
