"""Logging: access log, JSON records, readable records in development."""

import json
import logging

import pytest
from fastapi import APIRouter, FastAPI
from httpx2 import AsyncClient
from opentelemetry import trace

from app.core.logging import configure_logging, request_id
from app.main import create_app
from app.models import User
from tests.conftest import OverrideSettings
from tests.helpers import API, client_for

Record = dict[str, object]


def access_log(caplog: pytest.LogCaptureFixture) -> list[Record]:
    """Return the lines of the access log."""
    fields = ("method", "route", "status", "user_id")
    records = [vars(record) for record in caplog.records if record.name == "app.requests"]
    assert all(float(record["duration_ms"]) >= 0 for record in records)
    return [{field: record[field] for field in fields} for record in records]


async def test_access_log_has_one_line_per_request_with_route_template_and_user(
    as_ann: AsyncClient, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    await as_ann.get(f"/users/{ann.id}")
    await as_ann.get("/nowhere/secret")
    await as_ann.head(f"/users/{ann.id}")

    user = {"method": "GET", "route": API + "/users/{user_id}", "status": 200, "user_id": ann.id}
    nowhere = {"method": "GET", "route": "-", "status": 404, "user_id": None}
    assert access_log(caplog) == [user, nowhere, user | {"method": "HEAD"}]
    assert "secret" not in "".join(r.getMessage() for r in caplog.records if r.name[:3] == "app")


async def test_access_log_has_no_parameter_of_a_prefix_or_of_a_path(
    caplog: pytest.LogCaptureFixture,
) -> None:
    router, service, mounted = APIRouter(), create_app(), FastAPI()

    @router.get("/files/{file:path}")
    async def get_file(file: str) -> str:
        return file

    mounted.include_router(router)
    service.include_router(router, prefix="/tenants/{tenant}")
    service.mount("/mounted", mounted)
    async with client_for(service) as client:
        for prefix in ("/tenants/secret", "/mounted"):
            assert (await client.get(f"{prefix}/files/secret/files/x")).is_success

    routes = ["/tenants/{tenant}/files/{file:path}", "/mounted/files/{file:path}"]
    assert [record["route"] for record in access_log(caplog)] == routes


async def test_access_log_has_the_path_of_an_unknown_route_in_development_only(
    bare_client: AsyncClient,
    override_settings: OverrideSettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for debug in (True, False):
        override_settings(DEBUG=debug)
        await bare_client.get("/itmes")

    assert [record["route"] for record in access_log(caplog)] == ["/itmes", "-"]


def test_log_records_are_json_with_the_request_id(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    configure_logging()
    configure_logging()

    before = request_id.set("abc")
    logging.getLogger("app.x").info("Hello %s\n", "world", extra={"status": 200})
    request_id.reset(before)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("app.x").exception("Oh")
    logging.getLogger("app.x").info("\ud800", stack_info=True)  # cannot be encoded

    first, second, third = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.pop("timestamp")
    expected = {"level": "INFO", "logger": "app.x", "message": "Hello world\n"}
    assert first == expected | {"request_id": "abc", "status": 200}
    assert "ZeroDivisionError" in second["exc_info"]
    assert third["message"] == "\ud800"
    assert "test_logging" in third["stack_info"]


def test_log_records_are_readable_in_development(
    monkeypatch: pytest.MonkeyPatch,
    override_settings: OverrideSettings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    override_settings(DEBUG=True)
    configure_logging()

    logging.getLogger("app.x").info("Hello")

    assert capsys.readouterr().err.endswith("INFO    app.x [-] Hello\n")


class RecordingSpan(trace.NonRecordingSpan):
    """A span of OpenTelemetry that keeps its attributes."""

    def __init__(self) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.attributes: dict[str, object] = {}

    def set_attribute(self, key: str, value: object) -> None:
        """Keep an attribute."""
        self.attributes[key] = value


async def test_span_of_a_rejected_request_has_no_query(client: AsyncClient) -> None:
    span = RecordingSpan()
    with trace.use_span(span):
        await client.get("/health/live")
        assert span.attributes == {}

        await client.get("/nowhere?password=Hidden1Horse")

    assert span.attributes == {"url.query": "REDACTED"}


def test_line_of_the_server_about_a_websocket_has_a_query_and_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    configure_logging()
    server = logging.getLogger("uvicorn.error")

    server.error('%s - "WebSocket %s" 403', ("127.0.0.1", 1), "/nowhere?token=Hidden1Token")
    server.error("Another error.")

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "Another error."
