"""Is the source sound, before anything is rendered?"""

import ast
import configparser
import io
import re
import statistics
import tokenize
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import CONTEXT, QUESTIONS, ROOT, TEMPLATE, template_python, tracked_files

PYTHON = sorted(template_python())
APP = [path for path in PYTHON if TEMPLATE / "app" in path.parents]
DATA = sorted(ROOT / path for path in tracked_files() if path.startswith(TEMPLATE.name))


def name(path: Path) -> str:
    """Return how a path is called in the names of tests."""
    return str(path.relative_to(TEMPLATE))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function's body, without its docstring."""
    body = function.body[ast.get_docstring(function) is not None :]
    return body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_python_is_python_before_rendering(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    ast.parse(text)
    assert not re.search(r"\{\{|\{%|#%|cookiecutter", text)


@pytest.mark.parametrize("path", [p for p in DATA if p.suffix == ".toml"], ids=name)
def test_toml_is_toml_before_rendering(path: Path) -> None:
    tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [p for p in DATA if p.suffix in {".yaml", ".yml"}], ids=name)
def test_yaml_is_yaml_before_rendering(path: Path) -> None:
    list(yaml.compose_all(path.read_text(encoding="utf-8"), yaml.SafeLoader))


def test_ini_is_ini_before_rendering() -> None:
    configparser.ConfigParser(interpolation=None).read_string(
        (TEMPLATE / "alembic.ini").read_text()
    )


@pytest.mark.parametrize("path", DATA, ids=name)
def test_a_file_is_plain(path: Path) -> None:
    data = path.read_bytes()

    assert not path.is_symlink()
    assert data.endswith(b"\n")
    assert not data.endswith(b"\n\n")
    assert b"\r" not in data
    data.decode("utf-8")


def test_nothing_but_source_is_tracked() -> None:
    litter = r"(^|/)(__pycache__|\.\w+_cache|\.venv|uv\.lock)(/|$)|\.(pyc|db)$"

    assert [path for path in tracked_files() if re.search(litter, path)] == []


def test_there_are_ten_questions_and_each_is_asked_in_plain_words() -> None:
    prompts = CONTEXT["__prompts__"]

    assert len(QUESTIONS) == 10
    assert list(prompts) == QUESTIONS
    for name, prompt in prompts.items():
        if isinstance(prompt, dict):
            labels = prompt.keys() - {"__prompt__"}
            assert not labels or labels == set(CONTEXT[name])


def test_no_types_are_ignored_and_every_noqa_has_a_reason() -> None:
    comments = [
        token.string
        for path in [*PYTHON, *ROOT.glob("hooks/*.py"), *ROOT.glob("tests/*.py")]
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if token.type == tokenize.COMMENT
    ]

    assert [c for c in comments if "type: ignore" in c] == []
    noqas = [c for c in comments if "noqa" in c]
    assert [c for c in noqas if not re.fullmatch(r"# noqa: [A-Z]+\d+ - .{5,}", c)] == []


def test_functions_are_short() -> None:
    lengths = {f"{p.name}:{f.name}": length(f) for p in APP for f in functions(p)}

    assert statistics.median(lengths.values()) <= 5
    assert {name: lines for name, lines in lengths.items() if lines > 25} == {}


def test_the_accounts_can_be_read_in_one_sitting() -> None:
    names = r"(auth|mail|session|throttle)(_service|_token)?\.py"
    places = ("models", "schemas", "services", "endpoints")
    files = [p for p in APP if re.fullmatch(names, p.name) and p.parent.name in places]

    assert len(files) == 9
    assert sum(len(path.read_text().splitlines()) for path in files) < 600
