"""Source: every file is valid before it is rendered."""

import ast
import configparser
import io
import re
import tokenize
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import CONTEXT, QUESTIONS, ROOT, TEMPLATE, template_python, tracked_files

PYTHON = sorted(template_python())
DATA = sorted(ROOT / path for path in tracked_files() if path.startswith(TEMPLATE.name))


def name(path: Path) -> str:
    """Return the path in the ids of tests."""
    return str(path.relative_to(TEMPLATE))


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_python_is_valid_before_rendering(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    ast.parse(text)
    assert not re.search(r"\{\{|\{%|#%|cookiecutter", text)


@pytest.mark.parametrize("path", [p for p in DATA if p.suffix == ".toml"], ids=name)
def test_toml_is_valid_before_rendering(path: Path) -> None:
    tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [p for p in DATA if p.suffix in {".yaml", ".yml"}], ids=name)
def test_yaml_is_valid_before_rendering(path: Path) -> None:
    list(yaml.compose_all(path.read_text(encoding="utf-8"), yaml.SafeLoader))


def test_ini_is_valid_before_rendering() -> None:
    configparser.ConfigParser(interpolation=None).read_string(
        (TEMPLATE / "alembic.ini").read_text()
    )


@pytest.mark.parametrize("path", DATA, ids=name)
def test_file_is_utf8_text_with_unix_line_endings(path: Path) -> None:
    data = path.read_bytes()

    assert not path.is_symlink()
    assert data.endswith(b"\n")
    assert not data.endswith(b"\n\n")
    assert b"\r" not in data
    data.decode("utf-8")


def test_only_source_files_are_tracked() -> None:
    litter = r"(^|/)(__pycache__|\.\w+_cache|\.venv|uv\.lock)(/|$)|\.(pyc|db)$"

    assert [path for path in tracked_files() if re.search(litter, path)] == []


def test_there_are_ten_questions_with_prompts() -> None:
    prompts = CONTEXT["__prompts__"]

    assert len(QUESTIONS) == 10
    assert list(prompts) == QUESTIONS
    for name, prompt in prompts.items():
        if isinstance(prompt, dict):
            labels = prompt.keys() - {"__prompt__"}
            assert not labels or labels == set(CONTEXT[name])


def test_no_type_error_is_ignored_and_every_noqa_has_a_reason() -> None:
    comments = [
        token.string
        for path in [*PYTHON, *ROOT.glob("hooks/*.py"), *ROOT.glob("tests/*.py")]
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if token.type == tokenize.COMMENT
    ]

    assert [c for c in comments if "type: ignore" in c] == []
    noqas = [c for c in comments if "noqa" in c]
    assert [c for c in noqas if not re.fullmatch(r"# noqa: [A-Z]+\d+ - .{5,}", c)] == []
