"""The files of a resource, and the lines of other files that name it."""

import builtins
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

import libcst as cst

from scripts.resource import checks
from scripts.resource import fields as code
from scripts.resource.fields import COLUMN_IMPORTS, COMMON, SCHEMA_IMPORTS, Field
from scripts.resource.names import Names, Renamer, ResourceError, camel, is_name
from scripts.resource.rewrite import (
    Rename,
    add_imports,
    edit_elements,
    find_elements,
    remove_import,
    remove_name,
    replace_aliases,
    replace_fields,
    set_constant,
    variables,
)

MODELS = Path("app/models/__init__.py")
ROUTER = Path("app/api/v1/router.py")
OWNED = Path("tests/resources.py")
SEEDS = Path("scripts/seed.py")
KEPT = Path("scripts/resource/example")
SHARED = (MODELS, ROUTER, OWNED, SEEDS)  # files that name every resource
Files = dict[Path, str | None]  # text by path; None deletes the file
Modules = dict[Path, cst.Module]


def files(names: Names) -> list[Path]:
    """Return the files of a resource: model, schemas, service, endpoints, tests."""
    return [
        Path(f"app/models/{names.singular}.py"),
        Path(f"app/schemas/{names.singular}.py"),
        Path(f"app/services/{names.singular}_service.py"),
        Path(f"app/api/v1/endpoints/{names.plural}.py"),
        Path(f"tests/test_{names.plural}.py"),
    ]


class Example(NamedTuple):
    """A resource to copy: its names, and its files in the order of `files()`."""

    names: Names
    paths: list[Path]


def find_example(*, without: Names | None = None) -> Example | None:
    """Return a resource that can be copied: items, or another one if they were removed."""
    stems = sorted(path.stem for path in MODELS.parent.glob("[a-z]*.py"))
    for names in map(Names.parse, ["item", *filter(is_name, stems)]):
        is_other = names != without and all(path.exists() for path in files(names))
        if is_other and not checks.has_checks(files(names)[2].read_text(encoding="utf-8")):
            return Example(names, files(names))
    return None


def find_kept_example() -> Example:
    """Return the last resource that could be copied, which was kept when it was removed.

    Raises:
        ResourceError: if there is none.
    """
    for model in KEPT.glob("app/models/*.txt"):
        (tests,) = KEPT.glob("tests/test_*.txt")
        names = Names(model.name.split(".")[0], tests.name.split(".")[0].removeprefix("test_"))
        return Example(names, [KEPT / f"{path}.txt" for path in files(names)])
    message = "There is no resource to copy: restore items, or name another one with like=…"
    raise ResourceError(message)


def keep_example(names: Names) -> Files:
    """Return the files to keep when a resource is removed that is the last one to copy."""
    if find_example(without=names) or not find_example():
        return {}
    former: Files = dict.fromkeys(KEPT.rglob("*.txt"))
    return former | {KEPT / f"{path}.txt": path.read_text("utf-8") for path in files(names)}


def find_references(names: Names) -> list[Path]:
    """Return the files that use a resource, except its own and those that name every one."""
    name = camel(names.singular)
    pattern = re.compile(
        rf"\b{names.singular}_service\b|\b(models|schemas)\.{names.singular}\b"
        rf"|\"{names.plural}\.id\"|import .*\b({name}|{names.plural})\b"
    )
    paths = {path for folder in ("app", "tests", "scripts") for path in Path(folder).rglob("*.py")}
    own = {*files(names), *SHARED, *Path("scripts/resource").rglob("*")}
    return sorted(path for path in paths - own if pattern.search(path.read_text("utf-8")))


def copy(example: Example, new: Names, fields: list[Field]) -> Files:
    """Return the texts of a new resource: copies of those of another, with other fields."""
    rename, name = Rename(Renamer(example.names, new)), new.forms()["camel"].singular
    originals = [_read(path) for path in example.paths]
    _reject_ambiguous(new, rename.renamer, originals)
    model, schemas, service, endpoints, tests = [module.visit(rename) for module in originals]
    if checks.has_checks(service.code):
        message = f"{example.names.singular} has references or unique fields: copy another one."
        raise ResourceError(message)
    modules = [
        _with_columns(model, new, fields),
        _with_schemas(schemas, name, fields),
        checks.add_to_service(_with_conditions(service, name, fields), new, fields),
        checks.add_to_endpoints(endpoints, new, fields),
        checks.add_to_tests(_with_test_data(tests, fields), new, fields),
    ]
    return {path: module.code for path, module in zip(files(new), modules, strict=True)}


def _reject_ambiguous(new: Names, renamer: Renamer, modules: list[cst.Module]) -> None:
    """Reject names that would mean two things in the copies, or are Python's own."""
    found = {name for module in modules for name in variables(module)} - {"items"}  # a method
    imports = f"{COLUMN_IMPORTS} {SCHEMA_IMPORTS} {checks.IMPORTS} Reference"
    others = {name for name in found if renamer.rename(name) == name}
    others |= {*dir(builtins), *re.findall(r"\w+", imports)}
    for form in ("snake", "camel", "upper"):
        for name in others.intersection(new.forms()[form]):
            message = f"{name!r} means something else in the code: choose another name."
            raise ResourceError(message)


def _with_columns(module: cst.Module, new: Names, fields: list[Field]) -> cst.Module:
    first, *others = [field.column() for field in fields]
    columns = [*checks.table_arguments(new, fields), f"\n{first}", *others]
    return add_imports(replace_fields(module, camel(new.singular), columns), COLUMN_IMPORTS)


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


class Registration(NamedTuple):
    """What names a resource in the files that name every one, besides imports."""

    owned: str  # row of the resources that users own
    seed: str = ""


def registration(new: Names, fields: list[Field]) -> Registration:
    """Return the registration of a new resource; it has seeds unless it needs others' objects."""
    name, path = camel(new.singular), new.forms()["kebab"].plural
    owned = f'"{new.singular}_id": ("/{path}/", {code.required_body(fields)})'
    seed = f"Seed({name}Service, {name}Create, [{', '.join(code.bodies(fields))}])"
    return Registration(owned, "" if checks.parents(fields) else seed)


def register(new: Names, added: Registration, modules: Modules | None = None) -> Files:
    """Return the files that name every resource, with a new one."""
    modules = modules or {path: _read(path) for path in SHARED}
    name = camel(new.singular)
    seeds = modules[SEEDS]
    if added.seed:
        imports = f"""
from app.schemas.{new.singular} import {name}Create
from app.services.{new.singular}_service import {name}Service
"""
        seeds = add_imports(edit_elements(seeds, "SEEDS", new=[added.seed]), imports)
    model = f"from app.models.{new.singular} import {name} as {name}"
    router = edit_elements(modules[ROUTER], "api_routers", new=[f"{new.plural}.router"])
    return {
        MODELS: add_imports(modules[MODELS], model).code,
        ROUTER: add_imports(router, f"from app.api.v1.endpoints import {new.plural}").code,
        OWNED: edit_elements(modules[OWNED], "OWNED", new=[added.owned]).code,
        SEEDS: seeds.code,
    }


def unregister(old: Names) -> Modules:
    """Return the files that name every resource, without one."""
    seeds = edit_elements(_read(SEEDS), "SEEDS", keep=lambda e: not _is_seed(old, e))
    for module in (f"app.schemas.{old.singular}", f"app.services.{old.singular}_service"):
        seeds = remove_import(seeds, module)
    router, owned = f"{old.plural}.router", f"{old.singular}_id"
    routers = remove_name(_read(ROUTER), "app.api.v1.endpoints", old.plural)
    return {
        MODELS: remove_import(_read(MODELS), f"app.models.{old.singular}"),
        ROUTER: edit_elements(routers, "api_routers", keep=lambda e: e != router),
        OWNED: edit_elements(_read(OWNED), "OWNED", keep=lambda e: e != owned),
        SEEDS: seeds,
    }


def _is_seed(names: Names, element: str) -> bool:
    return bool(re.search(rf"\b{camel(names.singular)}Service\b", element))


def renamed(old: Names, new: Names) -> Files:
    """Return the files of a resource, and those that name every one, with another name."""
    renamer = Renamer(old, new)
    modules = [_read(path) for path in files(old)]
    _reject_ambiguous(new, renamer, modules)
    _reject_renamed_columns(modules[0], renamer)
    checks.reject_long_constraints(
        new, re.findall(r'UniqueConstraint\(.*"(\w+)"\)', modules[0].code)
    )
    texts: Files = dict.fromkeys(files(old))
    for module, target in zip(modules, files(new), strict=True):
        texts[target] = module.visit(Rename(renamer)).code
    is_owned, is_seed = f'"{old.singular}_id"'.__eq__, partial(_is_seed, old)
    rows = (
        find_elements(_read(OWNED), "OWNED", is_owned),
        find_elements(_read(SEEDS), "SEEDS", is_seed),
    )
    added = Registration(*(renamer.rename(", ".join(row)) for row in rows))
    return texts | register(new, added, unregister(old))


def _reject_renamed_columns(model: cst.Module, renamer: Renamer) -> None:
    """Reject a name that would change columns, whose rows are copied by their names."""
    for name in re.findall(r"^    (\w+): Mapped\[", model.code, re.MULTILINE):
        if renamer.rename(name) != name:
            message = f"The field {name} would be renamed, too: rename it first."
            raise ResourceError(message)


def _read(path: Path) -> cst.Module:
    return cst.parse_module(path.read_text(encoding="utf-8"))
