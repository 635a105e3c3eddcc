"""Generated requests: made from the OpenAPI document, they get the documented responses only.

`EXAMPLES=200 pytest tests/slow/test_contract.py` generates more of them for each operation.
"""

import asyncio
import copy
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.db.session import build_engine
from app.main import app
from app.models import User
from app.services.rate_limit_service import RateLimit
from app.services.session_service import SessionService
from tests.slow.server import serving

pytestmark = pytest.mark.xdist_group("contract")

NO_RATE_LIMITS = {limit.setting: "1000000/1" for limit in RateLimit}
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def documented() -> dict[str, Any]:
    """Return the document without `default`, so that undocumented responses are found."""
    document = copy.deepcopy(app.openapi())
    for operation in (o for path in document["paths"].values() for o in path.values()):
        operation["responses"].pop("default")
    return document


schema = schemathesis.openapi.from_dict(documented())


@pytest.fixture(scope="module")
def service(database: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Yield the URL of a service without rate limits."""
    log: Path = tmp_path_factory.mktemp("contract") / "log"
    with serving(database, log, **NO_RATE_LIMITS) as server:
        yield server.url()
        assert "Traceback" not in log.read_text()


async def log_in(engine: AsyncEngine, role: str) -> str:
    """Create a user with a role, and return an access token."""
    async with AsyncSession(engine) as db:
        user = User(email=f"{os.urandom(8).hex()}@example.com", full_name=role, hashed_password="")
        user.is_superuser = role == "superuser"
        db.add(user)
        await db.flush()
        tokens = await SessionService(db).create(user.id)
        await db.commit()
    await engine.dispose()
    return tokens.access_token


@pytest.mark.parametrize("role", ["anonymous", "user", "superuser"])
@schema.parametrize()
@hypothesis_settings(
    max_examples=int(os.environ.get("EXAMPLES", "5")),
    deadline=None,
    derandomize="EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
def test_responses_to_generated_requests_are_documented(
    case: schemathesis.Case[Any], role: str, service: str, database: str
) -> None:
    headers = {}
    if role != "anonymous":
        engine = build_engine(database)
        token = asyncio.run(log_in(engine, role))  # the last request may have ended the session
        headers["Authorization"] = f"Bearer {token}"

    case.call_and_validate(base_url=service, headers=headers, checks=CHECKS)
