"""README and instructions: what they say about settings, files and commands is true."""

import json
import re

import pytest
from pydantic.fields import FieldInfo

from app.config import Settings
from app.services.rate_limit_service import RateLimit
from tests.helpers import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def settings_rows() -> list[str]:
    """Return the rows of the table of settings, in Markdown."""
    return [
        f"| `{name}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]


def rate_limits_rows() -> list[str]:
    """Return the rows of the table of rate limits, in Markdown."""
    return [
        f"| `{limit.setting}` | `{Settings.model_fields[limit.setting].default}` | {limit.per} |"
        for limit in RateLimit
    ]


def check_table(section: str, expected: list[str]) -> None:
    """Compare the table of a section of the README with the expected rows."""
    text = README.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    add = [row for row in expected if row not in rows]
    delete = [row for row in rows if row not in expected]
    message = f"Section {section} of README.md: the rows of the table"
    assert not add, "\n".join([f"{message} lack, in the order of the code:", *add])
    assert not delete, "\n".join([f"{message} must not contain:", *delete])
    assert rows == expected, f"{message} must be in the order of the code"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return f"`{json.dumps(field.default, default=str)}`"


def test_readme_lists_every_setting_with_default_and_description() -> None:
    check_table("Settings", settings_rows())


def test_env_example_contains_required_settings_and_no_unknown_ones() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = set(re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE))

    assert names - {"POSTGRES_PASSWORD"} <= Settings.model_fields.keys()
    assert {name for name, f in Settings.model_fields.items() if f.is_required()} <= names


@pytest.mark.parametrize("document", ["README.md", "AGENTS.md", "CONTRIBUTING.md"])
def test_document_mentions_existing_files_and_commands_only(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    for path in re.findall(r"`(?:[^`]* )?((?:app|tests|alembic|scripts)/[\w/.]*)`", text):
        assert (ROOT / path).exists(), path
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_readme_lists_every_rate_limit() -> None:
    check_table("Rate limits", rate_limits_rows())


def test_readme_has_sections_with_the_standard_terms() -> None:
    headings = re.findall(r"^##+ (.+)$", README, re.MULTILINE)
    standard = (
        "Architecture, API, Authentication and sessions, Rate limits, Email, Errors, "
        "Middleware and security headers, CORS, Pagination, Logging, Observability, "
        "Database and migrations, Testing, Deployment, Settings"
    )

    assert set(standard.split(", ")) <= set(headings)


def test_messages_of_troubleshooting_exist() -> None:
    """What a person meets can be found in the README as it is printed."""
    section = README.partition("\n### Troubleshooting\n")[2].partition("\n### ")[0]
    messages = re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    others = {
        "certificate verify failed",
        "Required uv version",
        "permission denied for schema public",
        "No module named 'app'",
        "make .venv/installed",
    }  # of other programs
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "app").rglob("*.py"))

    parts = {part for message in messages for part in re.split(r" ?\(?…[,)]? ?", message) if part}
    assert not {part for part in parts - others if part not in source}
