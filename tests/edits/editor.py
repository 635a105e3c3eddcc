"""Edits of files, as a developer makes them, in a generated project."""

import re
from collections.abc import Callable

from tests.projects import Project


class Editor(Project):
    """A project that is edited, and reset before the next edit."""

    def reset(self, database: str) -> None:
        """Undo all edits, and use an empty database."""
        if not (self.folder / ".git").exists():
            self.git("init", "--quiet")
            self.git("add", ".")
            self.git("commit", "--quiet", "--message", "New")
        self.git("reset", "--quiet", "--hard")
        self.git("clean", "--quiet", "--force", "-d")
        env = self.folder / ".env"
        last_part = re.compile(r"(?<=/)[\w.]+$", re.MULTILINE)  # of DATABASE_URL
        env.write_text(last_part.sub(database, env.read_text()))

    def git(self, *arguments: str) -> None:
        """Run git as nobody in particular."""
        self.run("git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments)

    def replace(self, file: str, old: str, new: str, *, optional: bool = False) -> None:
        """Replace a text wherever the file has it."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert optional or old in text, f"{file} does not contain: {old}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def before(self, file: str, anchor: str, text: str) -> None:
        """Insert a text before another one."""
        self.replace(file, anchor, text + anchor)

    def after(self, file: str, anchor: str, text: str) -> None:
        """Insert a text after another one."""
        self.replace(file, anchor, anchor + text)

    def append(self, file: str, text: str) -> None:
        """Add a text to a file, which may be new."""
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(before + text, encoding="utf-8")

    def add_import(self, file: str, line: str) -> None:
        """Add an import after the docstring; `make format` sorts it."""
        path = self.folder / file
        docstring, quotes, rest = path.read_text(encoding="utf-8").partition('"""\n')
        path.write_text(f"{docstring}{quotes}\n{line}\n{rest}", encoding="utf-8")

    def delete(self, *files: str) -> None:
        """Delete files."""
        for file in files:
            (self.folder / file).unlink()

    def add_setting(self, field: str, row: str) -> None:
        """Add a setting and its row in the README."""
        last = "    @property\n    def docs"
        self.before("app/config.py", last, f"    {field}\n\n")
        self.append_row("| `", row)  # the table of settings is the last one

    def append_row(self, last: str, row: str) -> None:
        """Add a row to a table of the README, after the one that begins with a text."""
        path = self.folder / "README.md"
        lines = path.read_text(encoding="utf-8").splitlines()
        position = max(number for number, line in enumerate(lines) if line.startswith(last))
        path.write_text("\n".join([*lines[: position + 1], row, *lines[position + 1 :], ""]))

    def migrate(self, message: str) -> None:
        """Write a migration and apply it, with the commands of the README."""
        self.run("make", "format")
        self.run("make", "migration", f"m={message}")
        self.run("make", "migrate")


def add_row(project: Editor, row: str) -> None:
    """Add an operation to the table of permissions."""
    project.before("tests/test_authorization.py", '    "GET /users/": (None,', f"    {row}\n")


def mount(project: Editor, endpoints: str) -> None:
    """Add the router of a module of endpoints."""
    router = "app/api/v1/router.py"
    project.replace(router, " import auth, ", f" import auth, {endpoints}, ")
    project.replace(router, "auth.router,", f"auth.router, {endpoints}.router,")


Edit = Callable[[Editor], None]
EDITS: dict[str, Edit] = {}
ROWS: dict[str, str] = {}


def edit(row: str) -> Callable[[Edit], Edit]:
    """Register an edit that follows a sentence of the README of the project."""

    def register(function: Edit) -> Edit:
        EDITS[function.__name__] = function
        ROWS[function.__name__] = row
        return function

    return register
