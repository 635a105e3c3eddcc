"""Recipes in `docs/recipes/`: they apply to a new project, which stays green.

`make test` runs the checks and the tests that a recipe adds or that look at every endpoint;
`make test-edits` runs the whole suite of each, on both databases.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CHOICES, TEMPLATE, Bake
from tests.edits.editor import Editor
from tests.projects import UV, free_port, in_a_group

RECIPES = sorted(path.stem for path in TEMPLATE.glob("docs/recipes/*.md"))
GENERAL = ("authorization", "items", "models", "openapi", "readme", "settings")


@pytest.fixture(scope="module")
def installed(request: pytest.FixtureRequest, bake: Bake) -> Iterator[Editor]:
    """Yield an installed project for a database."""
    project = Editor(bake(database=request.param))
    env = project.folder / ".env"
    env.write_text(env.read_text().replace(":5432/", f":{free_port()}/"))
    project.variables["PATH"] = f"{UV.removesuffix('/uv')}:{project.variables['PATH']}"
    yield project
    if request.param == "postgresql":
        project.run("make", "postgres-stop")


def apply(project: Editor, recipe: str, database: str) -> list[str]:
    """Follow a recipe in a clean project, and return the tests that it adds or changes."""
    project.reset(database)
    text = (project.folder / f"docs/recipes/{recipe}.md").read_text()
    patch = "".join(re.findall(r"```diff\n(.*?)```", text, re.DOTALL))
    project.run("git", "apply", "-", stdin=patch)
    for command in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        project.run("sh", "-ec", command)
    return re.findall(r"^\+\+\+ b/(tests/test_\w+\.py)$", patch, re.MULTILINE)


@pytest.mark.parametrize("installed", [in_a_group(__name__, "sqlite")], indirect=True)
@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_applies_and_its_tests_pass(installed: Editor, recipe: str, tmp_path: Path) -> None:
    tests = apply(installed, recipe, tmp_path.name)  # a short name that no other test has

    installed.run("make", "check")
    general = [f"tests/test_{name}.py" for name in GENERAL]
    installed.run(".venv/bin/pytest", "-q", "-n", "0", *dict.fromkeys([*tests, *general]))


@pytest.mark.more_edits
@pytest.mark.parametrize(
    "installed", [in_a_group(__name__, database) for database in CHOICES["database"]], indirect=True
)
@pytest.mark.parametrize("recipe", RECIPES)
def test_project_with_a_recipe_is_green(installed: Editor, recipe: str, tmp_path: Path) -> None:
    apply(installed, recipe, tmp_path.name)

    installed.run("make", "check")
    installed.run("make", "coverage")


def test_readme_links_to_every_recipe() -> None:
    linked = re.findall(r"\(docs/recipes/([\w-]+)\.md\)", (TEMPLATE / "README.md").read_text())

    assert sorted(set(linked)) == RECIPES
