"""The files of a resource, and the lines of other files that name it."""

import builtins
from pathlib import Path

import libcst as cst
from libcst import matchers
from libcst.matchers import findall

from scripts.resource import fields as code
from scripts.resource.fields import COLUMN_IMPORTS, COMMON, SCHEMA_IMPORTS, Field
from scripts.resource.names import Names, Renamer, ResourceError
from scripts.resource.rewrite import (
    Rename,
    add_imports,
    edit_elements,
    remove_import,
    replace_aliases,
    replace_fields,
    set_constant,
)

MODELS = Path("app/models/__init__.py")
ROUTER = Path("app/api/v1/router.py")
PERMISSIONS = Path("tests/test_authorization.py")
Files = dict[Path, str]


def files(names: Names) -> list[Path]:
    """Return the files of a resource: model, schemas, service, endpoints, tests."""
    return [
        Path(f"app/models/{names.singular}.py"),
        Path(f"app/schemas/{names.singular}.py"),
        Path(f"app/services/{names.singular}_service.py"),
        Path(f"app/api/v1/endpoints/{names.plural}.py"),
        Path(f"tests/test_{names.plural}.py"),
    ]


def find_example() -> Names:
    """Return the resource to copy: items, or another one if they were removed.

    Raises:
        ResourceError: if there is none.
    """
    names = sorted(path.stem for path in MODELS.parent.glob("[a-z]*.py"))
    for name in ["item", *names]:
        if all(path.exists() for path in files(Names.parse(name))):
            return Names.parse(name)
    message = "There is no resource to copy: name one, with like=… and like_plural=…"
    raise ResourceError(message)


def copy(like: Names, new: Names, fields: list[Field]) -> Files:
    """Return the texts of a new resource: copies of those of another, with other fields."""
    rename, name = Rename(Renamer(like, new)), new.forms()["camel"].singular
    originals = [_read(path) for path in files(like)]
    _reject_ambiguous(new, rename.renamer, originals)
    model, schemas, service, endpoints, tests = [module.visit(rename) for module in originals]
    modules = [
        _with_columns(model, name, fields),
        _with_schemas(schemas, name, fields),
        _with_conditions(service, name, fields),
        endpoints,
        _with_test_data(tests, fields),
    ]
    return {path: module.code for path, module in zip(files(new), modules, strict=True)}


def _reject_ambiguous(new: Names, renamer: Renamer, modules: list[cst.Module]) -> None:
    """Reject names that would mean two things in the copies, or are Python's own."""
    nodes = [node for module in modules for node in findall(module, matchers.Name())]
    found = {node.value for node in nodes if isinstance(node, cst.Name)}
    others = {name for name in found if renamer.rename(name) == name} | {*dir(builtins)}
    for form in ("snake", "camel", "upper"):
        for name in others.intersection(new.forms()[form]):
            message = f"{name!r} means something else in the code: choose another name."
            raise ResourceError(message)


def _with_columns(module: cst.Module, name: str, fields: list[Field]) -> cst.Module:
    columns = [field.column() for field in fields]
    return add_imports(replace_fields(module, name, columns), COLUMN_IMPORTS)


def _with_schemas(module: cst.Module, name: str, fields: list[Field]) -> cst.Module:
    for schema, lines in {
        "Create": [f.typed(f.schema) + " = None" * f.is_optional for f in fields],
        "Update": [field.change() for field in fields],
        "Read": [field.typed(field.kind.python) for field in fields],
        "Filters": code.parameters(fields),
    }.items():
        module = replace_fields(module, f"{name}{schema}", lines)
    aliases = [field.alias for field in fields if field.alias]
    return add_imports(replace_aliases(module, aliases), SCHEMA_IMPORTS)


def _with_conditions(module: cst.Module, name: str, fields: list[Field]) -> cst.Module:
    rows = code.conditions(fields, name)
    module = edit_elements(module, "CONDITIONS", new=rows, keep=COMMON.__contains__)
    return add_imports(module, "from sqlalchemy import or_")


def _with_test_data(module: cst.Module, fields: list[Field]) -> cst.Module:
    for constant, value in code.test_data(fields).items():
        module = set_constant(module, constant, value)
    return module


def register(new: Names, fields: list[Field]) -> Files:
    """Return the files that name every resource, with a new one."""
    model, path = new.forms()["camel"].singular, new.forms()["kebab"].plural
    row = f'"{new.singular}_id": ("/{path}/", {code.required_body(fields)})'
    line = f"from app.models.{new.singular} import {model} as {model}"
    endpoints = f"from app.api.v1.endpoints import {new.plural}"
    router = edit_elements(_read(ROUTER), "api_routers", new=[f"{new.plural}.router"])
    return {
        MODELS: add_imports(_read(MODELS), line).code,
        ROUTER: add_imports(router, endpoints).code,
        PERMISSIONS: edit_elements(_read(PERMISSIONS), "OWNED", new=[row]).code,
    }


def unregister(old: Names) -> Files:
    """Return the files that name every resource, without one."""
    router, permissions = f"{old.plural}.router", f"{old.singular}_id"
    return {
        MODELS: remove_import(_read(MODELS), f"app.models.{old.singular}").code,
        ROUTER: edit_elements(_read(ROUTER), "api_routers", keep=lambda e: e != router).code,
        PERMISSIONS: edit_elements(
            _read(PERMISSIONS), "OWNED", keep=lambda e: e != permissions
        ).code,
    }


def _read(path: Path) -> cst.Module:
    return cst.parse_module(path.read_text(encoding="utf-8"))
