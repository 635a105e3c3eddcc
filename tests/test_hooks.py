"""Hooks: they reject answers that would not work or that attack, and finish the project."""

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from cookiecutter.exceptions import FailedHookException
from pytest_cookies.plugin import Cookies

from tests.conftest import CHOICES, CONTEXT, QUESTIONS, ROOT, TEMPLATE, environment

GOOD = {
    "project_name": "Order Service",
    "__answered_slug": "order-service",
    "description": "Takes orders and tracks them.",
    "full_name": "Ada Lovelace",
    "email": "ada@example.com",
    "license": "MIT",
    "python_version": "3.13",
    "database": "sqlite",
    "ci": "none",
    "deployment": "none",
}
UNPRINTABLE = [
    "a\nb",
    "a\rb",
    "a\0b",
    "a\x1bb",
    "a\u2028b",
    "",
    "   ",
    "x" * 101,
]
UNQUOTABLE = [
    'Bob"s',
    "a\\b",
    "a{b",
    "a}b",
    "{{ 7*7 }}",
    "{% raw %}",
    "$HOME",
    "`id`",
    '"; import os; os.system("touch PWNED"); x="',
    '"""',
    "'''\\",
]
HOSTILE_TEXT = [*UNPRINTABLE, *UNQUOTABLE]
HOSTILE_SLUG = [
    *HOSTILE_TEXT,
    "../evil",
    "/tmp/evil-project",  # noqa: S108 - where it must not appear
    "a/b",
    ".",
    "..",
    "~",
    "-x",
    "x-",
    "_x",
    "x_",
    "x--y",
    "x-_y",
    "1x",
    "X",
    "ünï",
    "🛒",
    "x" * 64,
    "x" * 300,
    "class",
    "json",
    "test",
    "tests",
    "app",
    "con air",
    "fastapi",
    "python-jose",
    "starlette",
]
HOSTILE_EMAIL = [
    *HOSTILE_TEXT,
    "ada",
    "ada@",
    "@example.com",
    "a@b",
    "a b@c.de",
    "a@b.de\nx",
    "a'@b.de",
    "a@-b.de",
    "a@b.-",
    "a..b@c.de",
    ".a@b.de",
]
HOSTILE = [
    *(("project_slug", value) for value in HOSTILE_SLUG),
    *(("email", value) for value in HOSTILE_EMAIL),
    *((name, value) for name in ("project_name", "full_name") for value in HOSTILE_TEXT),
    *(("description", value) for value in UNPRINTABLE),
    *((name, value) for name in CHOICES for value in ("", "mysql", "None")),
]
SENTENCE = r"ERROR: {} must .+; for example: .+"

Run = Callable[..., subprocess.CompletedProcess[str]]


def load(name: str) -> ModuleType:
    """Import a hook as it stands in the source, without rendering."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"hooks/{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pre_gen = load("pre_gen_project")
post_gen = load("post_gen_project")


def with_answer(question: str, value: str) -> dict[str, str]:
    """Return good answers with one replaced, as the hook gets them."""
    return GOOD | {"__answered_slug" if question == "project_slug" else question: value}


def test_good_answers_are_accepted() -> None:
    assert pre_gen.problems(GOOD) == {}
    for slug in ("a", "orders", "order-service-2", "order_service", "x" * 63):
        assert pre_gen.problems(with_answer("project_slug", slug)) == {}
    for text in ("Ünïcode", "日本語", "It's 100% <b>fun</b> & more 🛒", "x" * 100):
        assert pre_gen.problems(with_answer("project_name", text)) == {}
    for text in UNQUOTABLE:
        assert pre_gen.problems(with_answer("description", text)) == {}


@pytest.mark.parametrize(("question", "value"), HOSTILE)
def test_bad_answer_gets_one_sentence_with_a_good_example(question: str, value: str) -> None:
    ((name, sentence),) = pre_gen.problems(with_answer(question, value)).items()

    assert name == question
    assert sentence.startswith(f"{question} must ")
    example = sentence.rpartition(": ")[2]
    assert pre_gen.problems(with_answer(question, example)) == {}


def test_every_question_has_a_rule_with_the_choices_of_cookiecutter_json() -> None:
    assert list(pre_gen.RULES) == QUESTIONS
    assert {name: list(values) for name, values in pre_gen.CHOICES.items()} == CHOICES


def test_names_of_dependencies_are_reserved() -> None:
    lines = (TEMPLATE / "pyproject.toml").read_text().partition("[tool.uv]")[0].splitlines()
    names = [re.match(r'    "([a-z0-9-]+)', line) for line in lines]

    direct = {name[1].replace("-", "_") for name in names if name}
    assert {"fastapi", "pytest"} <= direct
    assert direct <= pre_gen.RESERVED_SLUGS | {"opentelemetry_exporter_otlp_proto_http"}


def test_optional_files_exist_and_depend_on_existing_choices() -> None:
    for path, conditions in post_gen.OPTIONAL.items():
        assert (TEMPLATE / path).exists(), path
        for question, values in conditions.items():
            assert set(values) < set(CHOICES[question])


@pytest.mark.parametrize("hook", sorted(ROOT.glob("hooks/*.py")), ids=lambda path: path.name)
def test_hook_imports_the_standard_library_only(hook: Path) -> None:
    source = hook.read_text()
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", source, re.MULTILINE))

    assert imported <= sys.stdlib_module_names
    assert source.endswith("# {% endraw %}\n")  # cookiecutter would drop a line after it


@pytest.fixture
def run(source: Path, tmp_path: Path) -> Run:
    """Return a function that runs cookiecutter as a user does, into an empty folder."""
    (tmp_path / "output").mkdir()

    def _run(*answers: str, template: Path = source) -> subprocess.CompletedProcess[str]:
        cookiecutter = [sys.executable, "-m", "cookiecutter", str(template), "--no-input"]
        return execute([*cookiecutter, "-o", "output", *answers], tmp_path)

    return _run


def execute(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder that is also the home directory."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment() | {"HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("question", "value"),
    [
        *(("project_slug", v) for v in ("../evil", "/tmp/evil-project", "a/b", "", ".", "x" * 300)),  # noqa: S108 - where it must not appear
        *(("project_slug", v) for v in ("class", "json", "a\nb", "🛒", "x'; touch PWNED; '")),
        *(
            ("full_name", v)
            for v in ('"; import os; os.system("touch PWNED"); x="', "a\nb", "$(id)")
        ),
        ("project_name", '"""\nimport os\nos.system("touch PWNED")\n"""'),
        ("description", "a\x1bb"),
        ("email", "`touch PWNED`@x.de"),
    ],
)
def test_bad_answer_leaves_nothing_behind(
    run: Run, tmp_path: Path, question: str, value: str
) -> None:
    done = run(f"{question}={value}")

    assert done.returncode == 1
    assert re.match(SENTENCE.format(question), done.stderr or done.stdout), done.stderr
    assert "hooks/p" not in done.stderr  # no traceback of the hook
    assert list((tmp_path / "output").iterdir()) == []
    assert not Path("/tmp/evil-project").exists()  # noqa: S108 - where it must not appear
    assert {path.name for path in tmp_path.iterdir()} <= {
        "output",
        ".cookiecutter_replay",
        ".cookiecutters",
    }


def test_all_bad_answers_are_listed_with_a_command_that_repeats_the_good_ones(
    run: Run, tmp_path: Path
) -> None:
    description = """It's "quoted" & costs $5"""
    done = run(
        "project_slug=X",
        "email=x",
        "full_name=",
        f"description={description}",
        "database=postgresql",
    )
    assert len(re.findall(SENTENCE.format(r"\w+"), done.stderr)) == 3

    (command,) = re.findall(r"^    (.*cookiecutter.*database=.*)$", done.stderr, re.MULTILINE)
    better = ["--no-input", "project_slug=x", "email=x@y.de", "full_name=X"]
    again = execute([*shlex.split(command), *better], tmp_path)

    assert again.returncode == 0, again.stderr
    project = tmp_path / "output" / "x"
    assert description in (project / "README.md").read_text()
    assert "asyncpg" in (project / "pyproject.toml").read_text()


def test_folder_that_alembic_cannot_name_is_rejected(run: Run, tmp_path: Path) -> None:
    done = run("-o", "100% mine")

    assert done.returncode == 1
    assert re.search(r"the output folder must have no % in its path: .*100% mine", done.stderr)
    assert list((tmp_path / "100% mine").iterdir()) == []


def test_bad_answer_does_not_overwrite_a_project(run: Run, tmp_path: Path) -> None:
    assert run().returncode == 0
    readme = tmp_path / "output" / "my-service" / "README.md"
    readme.write_text("changed")

    assert run("--overwrite-if-exists", "email=x").returncode == 1
    assert readme.read_text() == "changed"


def test_choice_that_another_tool_made_up_is_rejected(
    run: Run, source: Path, tmp_path: Path
) -> None:
    changed = shutil.copytree(source, tmp_path / "changed")
    (changed / "cookiecutter.json").write_text(json.dumps(CONTEXT | {"database": "mysql"}))

    done = run(template=changed)

    assert done.returncode == 1
    assert "database must be one of sqlite, postgresql" in done.stderr


def test_hook_prints_the_next_command(run: Run, tmp_path: Path) -> None:
    done = run()

    assert done.returncode == 0, done.stderr
    assert f"cd {tmp_path}/output/my-service && make dev" in done.stdout


@pytest.mark.parametrize(
    ("answers", "folder", "expected"),
    [
        ({"_output_dir": "/x"}, "temporary", False),
        ({}, "temporary", True),
        ({}, "project", False),
    ],
)
def test_update_by_cruft_is_recognized_by_its_temporary_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, str],
    folder: str,
    expected: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    for name in ("temporary", "project"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / folder)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    assert post_gen.is_update(answers) == expected


def test_answer_is_not_executed_as_code(bake_result: Callable[..., object], tmp_path: Path) -> None:
    mark = tmp_path / "PWNED"
    result = bake_result(full_name=f'"""; open(r"{mark}", "w"); r"""')

    assert isinstance(getattr(result, "exception", None), FailedHookException)
    assert not mark.exists()


def test_caches_in_a_checkout_are_not_copied(
    source: Path, tmp_path: Path, cookies: Cookies
) -> None:
    copy = shutil.copytree(source, tmp_path / "worked-in")
    for cache in (".ruff_cache", "app/__pycache__", ".mypy_cache/3.11/x_cache", ".hypothesis"):
        folder = copy / TEMPLATE.name / cache
        folder.mkdir(parents=True)
        (folder / "x").write_text("{{ not a template }}")

    result = cookies.bake(template=str(copy))

    assert result.exception is None
    found = [p.name for p in Path(result.project_path).rglob("*")]
    litter = ("cache__", "_cache", ".hypothesis")
    assert not [name for name in found if name.endswith(litter)]
