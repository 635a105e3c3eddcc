"""What is written about the service is true."""

import json
import re
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from app.config import Settings
from app.main import app
from tests.conftest import ROOT

Document = dict[str, Any]

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def document() -> Document:
    """Return the OpenAPI document, as clients get it."""
    written: Document = json.loads(json.dumps(app.openapi()))
    return written


def operations(document: Document) -> dict[str, dict[str, Any]]:
    """Return the operations by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def settings_table() -> str:
    """Return the table of settings, in Markdown."""
    rows = [
        f"| `{name}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _default(field: FieldInfo) -> str:
    return "required" if field.is_required() else f"`{json.dumps(field.default)}`"


def test_the_readme_lists_the_settings_as_they_are() -> None:
    assert settings_table() in README


def test_the_example_of_an_environment_names_settings_only() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = set(re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE))

    assert names - {"POSTGRES_PASSWORD"} <= Settings.model_fields.keys()
    assert {name for name, f in Settings.model_fields.items() if f.is_required()} <= names


def test_the_readme_names_files_that_exist() -> None:
    for path in re.findall(r"`((?:app|tests|alembic)/[\w/.]*)`", README):
        assert (ROOT / path).exists(), path


def test_every_operation_documents_its_failures(document: Document) -> None:
    for operation in operations(document).values():
        assert {"400", "413", "default"} <= operation["responses"].keys()
        assert ("422" in operation["responses"]) == bool(
            {"parameters", "requestBody"} & {*operation}
        )
        assert ("401" in operation["responses"]) >= ("security" in operation)
        for code, response in operation["responses"].items():
            problem = "application/problem+json" in response.get("content", {})
            assert problem == (not code.startswith("2"))


def test_a_failure_is_described_with_all_that_can_go_wrong(document: Document) -> None:
    change = operations(document)["PATCH /api/v1/users/me"]["responses"]

    assert change["422"]["description"].startswith("The request is not valid. Or: The password")
    assert app.openapi() is app.openapi()  # made once, and not completed twice


def test_every_reference_leads_somewhere(document: Document) -> None:
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))

    assert references <= document["components"]["schemas"].keys()
    assert "HTTPValidationError" not in references


def test_clients_find_where_to_log_in_and_to_refresh(document: Document) -> None:
    (scheme,) = document["components"]["securitySchemes"].values()

    flow = scheme["flows"]["password"]
    assert flow["tokenUrl"].endswith("/auth/login")
    assert flow["refreshUrl"].endswith("/auth/refresh")
    for url in flow["tokenUrl"], flow["refreshUrl"]:
        assert f"POST {url}" in operations(document)


def test_operations_have_names_of_their_own(document: Document) -> None:
    names = [o["operationId"] for o in operations(document).values()]

    assert len(names) == len(set(names))
