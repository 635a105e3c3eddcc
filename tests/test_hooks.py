"""Does the hook protect: against answers that would not work, and against answers that attack?"""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from cookiecutter.exceptions import FailedHookException
from pytest_cookies.plugin import Cookies

from tests.conftest import CHOICES, ROOT, TEMPLATE, environment

GOOD = {
    "project_name": "Order Service",
    "__project_slug": "order-service",
    "description": "Takes orders and tracks them.",
    "full_name": "Ada Lovelace",
    "email": "ada@example.com",
}
HOSTILE_TEXT = [
    'Bob"s',
    "a\\b",
    "a{b",
    "a}b",
    "{{ 7*7 }}",
    "{% raw %}",
    "$HOME",
    "`id`",
    "a\nb",
    "a\rb",
    "a\0b",
    "a\x1bb",
    "a\u2028b",
    "",
    "   ",
    "x" * 101,
    '"; import os; os.system("touch PWNED"); x="',
    '"""',
    "'''\\",
]
HOSTILE_SLUG = [
    *HOSTILE_TEXT,
    "../evil",
    "/tmp/evil-project",  # noqa: S108 - where it must not appear
    "a/b",
    "a\\b",
    ".",
    "..",
    "~",
    "-x",
    "x-",
    "x--y",
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
]
HOSTILE = [
    *(("project_slug", value) for value in HOSTILE_SLUG),
    *(("email", value) for value in HOSTILE_EMAIL),
    *((name, v) for name in ("project_name", "description", "full_name") for v in HOSTILE_TEXT),
]
SENTENCE = r"ERROR: {} must .+; a good answer is: .+"


HOOK = ROOT / "hooks/post_gen_project.py"


def load() -> ModuleType:
    """Import the hook as it stands in the source, without rendering."""
    spec = importlib.util.spec_from_file_location("hook", HOOK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hook = load()


def test_good_answers_are_accepted() -> None:
    assert hook.problems(GOOD) == []
    for slug in ("a", "orders", "order-service-2", "order_service", "x" * 63):
        assert hook.problems(GOOD | {"__project_slug": slug}) == []
    for text in ("Ünïcode", "日本語", "It's 100% <b>fun</b> & more 🛒", "x" * 100):
        assert hook.problems(GOOD | {"project_name": text}) == []


@pytest.mark.parametrize(("question", "value"), HOSTILE)
def test_a_bad_answer_gets_one_sentence(question: str, value: str) -> None:
    (sentence,) = hook.problems(GOOD | {hook.GIVEN.get(question, question): value})

    assert sentence.startswith(f"{question} must ")
    example = sentence.rpartition(": ")[2]
    assert hook.problems(GOOD | {hook.GIVEN.get(question, question): example}) == []


def test_the_rules_cover_every_question_that_is_free_text() -> None:
    context = json.loads((ROOT / "cookiecutter.json").read_text())
    free = {name for name, value in context.items() if isinstance(value, str) and name[0] != "_"}

    assert hook.RULES.keys() == free


def test_optional_files_exist_and_depend_on_answers_that_exist() -> None:
    for path, conditions in hook.OPTIONAL.items():
        assert (TEMPLATE / path).exists(), path
        for question, values in conditions.items():
            assert set(values) < set(CHOICES[question])


def test_the_hook_needs_the_standard_library_alone() -> None:
    source = HOOK.read_text()
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", source, re.MULTILINE))

    assert imported <= {"keyword", "os", "sys"}  # what takes no time to import
    assert source.endswith("# {% endraw %}\n")  # what follows it would silently not run


@pytest.fixture
def run(source: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs cookiecutter as a user does, into an empty folder."""
    (tmp_path / "output").mkdir()

    def _run(*answers: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cookiecutter", str(source), "--no-input", *answers]
        return subprocess.run(
            [*command, "-o", "output"],
            cwd=tmp_path,
            env=environment() | {"HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return _run


# A command line cannot hold NUL.
TYPED = [(question, value) for question, value in HOSTILE if "\0" not in value]


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
        ("description", "\\"),
        ("email", "`touch PWNED`@x.de"),
    ],
)
def test_a_bad_answer_leaves_nothing_behind(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, question: str, value: str
) -> None:
    done = run(f"{question}={value}")

    assert done.returncode == 1
    assert re.match(SENTENCE.format(question), done.stderr or done.stdout), done.stderr
    assert "hooks/p" not in done.stderr  # no traceback of ours
    assert list((tmp_path / "output").iterdir()) == []
    assert not Path("/tmp/evil-project").exists()  # noqa: S108 - where it must not appear
    assert {path.name for path in tmp_path.iterdir()} <= {
        "output",
        ".cookiecutter_replay",
        ".cookiecutters",
    }


def test_all_bad_answers_are_told_at_once(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run("project_slug=X", "email=x", "full_name=")

    assert len(re.findall(SENTENCE.format(r"\w+"), done.stderr)) == 3


def test_the_next_command_is_printed_and_can_be_copied(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = run()

    assert done.returncode == 0, done.stderr
    assert f"cd {tmp_path}/output/my-service && make dev" in done.stdout


@pytest.mark.parametrize("name", ["/srv/my_apps-2.0", '/home/Ada L/it\'s "$HOME" {a,b}*;&', "/ünï"])
def test_the_folder_is_printed_as_a_shell_reads_it(name: str) -> None:
    command = ["sh", "-c", f"printf %s {hook.quoted(name)}"]

    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == name


def test_an_answer_is_never_code(try_to_bake: Callable[..., object], tmp_path: Path) -> None:
    mark = tmp_path / "PWNED"
    result = try_to_bake(full_name=f'"""; open(r"{mark}", "w"); r"""')

    assert isinstance(getattr(result, "exception", None), FailedHookException)
    assert not mark.exists()


def test_what_tools_left_in_a_checkout_stays_there(
    source: Path, tmp_path: Path, cookies: Cookies
) -> None:
    copy = shutil.copytree(source, tmp_path / "worked-in")
    for cache in (".ruff_cache", "app/__pycache__", ".mypy_cache/3.11/requests_cache"):
        folder = copy / TEMPLATE.name / cache
        folder.mkdir(parents=True)
        (folder / "x").write_text("x")

    result = cookies.bake(template=str(copy))

    assert result.exception is None
    assert not [p for p in Path(result.project_path).rglob("*") if "cache" in p.name]
