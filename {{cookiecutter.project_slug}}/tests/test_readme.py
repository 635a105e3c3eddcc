"""README: what it says about settings, files and rate limits is true."""

import json
import re

from pydantic.fields import FieldInfo

from app.config import Settings
from app.services.rate_limit_service import RateLimit
from tests.helpers import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def settings_table() -> str:
    """Return the table of settings, in Markdown."""
    rows = [
        f"| `{name}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows]) + "\n"


def rate_limits_table() -> str:
    """Return the table of rate limits, in Markdown."""
    rows = [
        f"| `{limit.setting}` | `{Settings.model_fields[limit.setting].default}` | {limit.per} |"
        for limit in RateLimit
    ]
    return (
        "\n".join(["| setting | attempts/seconds | counted per |", "|---|---|---|", *rows]) + "\n"
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return f"`{json.dumps(field.default, default=str)}`"


def test_readme_lists_every_setting_with_default_and_description() -> None:
    assert settings_table() in README


def test_env_example_contains_required_settings_and_no_unknown_ones() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = set(re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE))

    assert names - {"POSTGRES_PASSWORD"} <= Settings.model_fields.keys()
    assert {name for name, f in Settings.model_fields.items() if f.is_required()} <= names


def test_readme_mentions_existing_files_only() -> None:
    for path in re.findall(r"`((?:app|tests|alembic)/[\w/.]*)`", README):
        assert (ROOT / path).exists(), path


def test_readme_lists_every_rate_limit() -> None:
    assert rate_limits_table() in README


def test_readme_has_sections_with_the_standard_terms() -> None:
    headings = re.findall(r"^##+ (.+)$", README, re.MULTILINE)
    standard = (
        "Architecture, API, Authentication and sessions, Rate limits, Email, Errors, "
        "Middleware and security headers, CORS, Pagination, Logging, Observability, "
        "Database and migrations, Testing, Deployment, Settings"
    )

    assert set(standard.split(", ")) <= set(headings)
