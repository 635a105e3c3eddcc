"""Projects that their users have changed: their own checks and tests stay green.

`make test` makes all edits together, on both databases; `tests/test_resource.py` removes items.
`make test-edits` makes each of them alone on one of the databases, those of the models on both.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CHOICES, TEMPLATE, Bake
from tests.edits import endpoints, models, settings
from tests.edits.editor import EDITS, ROWS, Editor
from tests.edits.mistakes import MISTAKES, Mistake
from tests.projects import UV, free_port, in_a_group

MODULES = (endpoints, models, settings)
DATABASES = CHOICES["database"]
MORE = pytest.mark.more_edits
ALONE = "items_removed"  # cannot be made together with edits of items


def cases() -> Iterator[object]:
    """Yield each edit with one database, those of the models with each."""
    for number, (name, edit) in enumerate(EDITS.items()):
        for position, database in enumerate(DATABASES):
            is_first = number % len(DATABASES) == position
            if is_first or edit.__module__ == models.__name__:
                yield pytest.param(database, name, marks=[pytest.mark.xdist_group(database), MORE])


@pytest.fixture(scope="module")
def installed(request: pytest.FixtureRequest, bake: Bake) -> Iterator[Editor]:
    """Yield an installed project for a database."""
    project = Editor(bake(database=request.param))
    env = project.folder / ".env"
    env.write_text(env.read_text().replace(":5432/", f":{free_port()}/"))
    # A worker tests one database, so that the tests of the project need no workers.
    project.variables |= {
        "PATH": f"{Path(UV).parent}:{project.variables['PATH']}",
        "PYTEST_XDIST_AUTO_NUM_WORKERS": "0",
    }
    yield project
    if request.param == "postgresql":
        project.run("make", "postgres-stop")


@pytest.fixture
def project(installed: Editor, tmp_path: Path) -> Editor:
    """Return the project without the edits of other tests."""
    installed.reset(tmp_path.name)  # a short name that no other test has
    return installed


@pytest.mark.parametrize(("installed", "name"), list(cases()), indirect=["installed"])
def test_project_stays_green_after_the_edit(project: Editor, name: str) -> None:
    EDITS[name](project)
    project.run("make", "format")

    project.run("make", "check")
    project.run("make", "test")


@pytest.mark.parametrize("installed", [in_a_group(__name__, "sqlite")], indirect=True)
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.edit.__name__)
def test_incomplete_edit_fails_with_a_message(project: Editor, mistake: Mistake) -> None:
    mistake.edit(project)
    project.run("make", "format")

    with pytest.raises(AssertionError) as failed:
        project.run(*mistake.command.split())

    for message in mistake.messages:
        assert message in str(failed.value)


@pytest.mark.parametrize("installed", [in_a_group(__name__, d) for d in DATABASES], indirect=True)
def test_project_stays_green_after_all_edits_together(project: Editor) -> None:
    edits = [edit for name, edit in EDITS.items() if name != ALONE]
    for edit in sorted(edits, key=lambda edit: edit.__module__ != models.__name__):
        edit(project)
        project.run("make", "format")
    environment = (project.folder / ".venv" / "pyvenv.cfg").stat()

    is_sqlite = "sqlite" in (project.folder / ".env").read_text()
    if is_sqlite:
        project.run("make", "coverage")
    else:  # slow tests wait, so that two workers take less time beside this one
        project.run("env", "PYTEST_XDIST_AUTO_NUM_WORKERS=2", "make", "ci")

    assert (project.folder / ".venv" / "pyvenv.cfg").stat() == environment, "it was replaced"


@pytest.mark.parametrize("name", EDITS)
def test_edit_follows_a_sentence_of_the_readme_and_says_what_it_found(name: str) -> None:
    readme = " ".join((TEMPLATE / "README.md").read_text(encoding="utf-8").split())

    assert ROWS[name] in readme
    assert EDITS[name].__doc__
