"""The files of a resource, and the lines of other files that name it."""

import builtins
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

import libcst as cst

from scripts.resource import checks, shared
from scripts.resource import fields as code
from scripts.resource.fields import COLUMN_IMPORTS, COMMON, SCHEMA_IMPORTS, Field, Resource
from scripts.resource.names import Names, Renamer, ResourceError, is_name
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
RESOURCES = Path("tests/resources.py")
SEEDS = Path("scripts/seed.py")
KEPT = Path("scripts/resource/example")
AUTHORIZATION = Path("tests/test_authorization.py")
NAMING = (MODELS, ROUTER, RESOURCES, SEEDS, AUTHORIZATION)  # files that name every resource
TABLES = ("OWNED", "SHARED")  # of resources
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
    is_owned: bool


def find_example(*, without: Names | None = None) -> Example | None:
    """Return a resource that can be copied: items, or another one that users own."""
    stems = sorted(path.stem for path in MODELS.parent.glob("[a-z]*.py"))
    for names in map(Names.parse, ["item", *filter(is_name, stems)]):
        is_other = names != without and all(path.exists() for path in files(names))
        is_owned = is_other and find_table(names) == "OWNED"
        if is_owned and not checks.has_checks(files(names)[2].read_text(encoding="utf-8")):
            return Example(names, files(names), is_owned=True)
    return None


def find_kept_example() -> Example:
    """Return the last resource that could be copied, which was kept when it was removed.

    Raises:
        ResourceError: if there is none.
    """
    for model in KEPT.glob("app/models/*.txt"):
        (tests,) = KEPT.glob("tests/test_*.txt")
        names = Names(model.name.split(".")[0], tests.name.split(".")[0].removeprefix("test_"))
        return Example(names, [KEPT / f"{path}.txt" for path in files(names)], is_owned=True)
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
    pattern = re.compile(
        rf"\b{names.singular}_service\b|\b(models|schemas)\.{names.singular}\b"
        rf"|\"{names.plural}\.id\"|import .*\b({names.camel}|{names.plural})\b"
    )
    paths = {path for folder in ("app", "tests", "scripts") for path in Path(folder).rglob("*.py")}
    own = {*files(names), *NAMING, *Path("scripts/resource").rglob("*")}
    return sorted(path for path in paths - own if pattern.search(path.read_text("utf-8")))


def find_table(names: Names) -> str:
    """Return the dictionary of `tests/resources.py` that has a resource, or ""."""
    for dictionary in TABLES:
        if find_elements(_read(RESOURCES), dictionary, f'"{names.singular}_id"'.__eq__):
            return dictionary
    return ""


def copy(example: Example, new: Resource) -> Files:
    """Return the texts of a new resource: copies of those of another, with other fields."""
    rename = Rename(Renamer(example.names, new.names))
    originals = [_read(path) for path in example.paths]
    _reject_ambiguous(new.names, rename.renamer, originals)
    model, schemas, service, endpoints, tests = [module.visit(rename) for module in originals]
    if checks.has_checks(service.code):
        message = f"{example.names.singular} has references or unique fields: copy another one."
        raise ResourceError(message)
    if example.is_owned and "owner_id" not in model.code:
        message = f"{example.names.words.plural} have no owner_id: copy another one."
        raise ResourceError(message)
    modules = [
        _with_columns(model, new),
        _with_schemas(schemas, new),
        checks.add_to_service(_with_conditions(service, new), new),
        checks.add_to_endpoints(endpoints, new),
        checks.add_to_tests(_with_test_data(tests, new.fields), new),
    ]
    if example.is_owned and not new.is_owned:
        modules = shared.without_owner(modules, new.names)
    return {path: module.code for path, module in zip(files(new.names), modules, strict=True)}


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


def _with_columns(module: cst.Module, new: Resource) -> cst.Module:
    first, *others = [field.column() for field in new.fields]
    columns = [*checks.table_arguments(new), f"\n{first}", *others]
    return add_imports(replace_fields(module, new.names.camel, columns), COLUMN_IMPORTS)


def _with_schemas(module: cst.Module, new: Resource) -> cst.Module:
    for schema, lines in {
        "Create": [f.typed(f.schema) + " = None" * f.is_optional for f in new.fields],
        "Update": [field.change() for field in new.fields],
        "Read": [field.typed(field.result) for field in new.fields],
        "Filters": code.parameters(new.fields),
    }.items():
        module = replace_fields(module, f"{new.names.camel}{schema}", lines)
    aliases = [field.alias for field in new.fields if field.alias]
    return add_imports(replace_aliases(module, aliases), SCHEMA_IMPORTS)


def _with_conditions(module: cst.Module, new: Resource) -> cst.Module:
    rows = code.conditions(new.fields, new.names.camel)
    module = edit_elements(module, "CONDITIONS", new=rows, keep=COMMON.__contains__)
    return add_imports(module, "from sqlalchemy import or_")


def _with_test_data(module: cst.Module, fields: list[Field]) -> cst.Module:
    for constant, value in code.test_data(fields).items():
        module = set_constant(module, constant, value)
    return module


def left_out(example: Example, new: Names, texts: Files) -> list[str]:
    """Return what a copy has not: tests of owners, and constraints of other fields."""
    model, *_, tests = [path.read_text(encoding="utf-8") for path in example.paths]
    model_file, *_, tests_file = files(new)
    renamer, copied = Renamer(example.names, new), texts[tests_file] or ""
    names = [renamer.rename(name) for name in re.findall(r"def (test_\w+)", tests)]
    constraints = "__table_args__" in model and "__table_args__" not in (texts[model_file] or "")
    return ["__table_args__"] * constraints + [n for n in names if f"def {n}(" not in copied]


class Registration(NamedTuple):
    """What names a resource in the files that name every one, besides imports."""

    dictionary: str  # of `tests/resources.py`
    row: str
    seed: str = ""
    operations: str = ""  # in the table of permissions, besides those of every resource


def registration(example: Example, new: Resource) -> Registration:
    """Return the registration of a new resource; it has seeds unless it needs others' objects.

    Operations that a team has added are permitted as those of the example, unless roles differ.
    """
    name, body = new.names.camel, code.required_body(new.fields)
    bodies = ", ".join(code.bodies(new.fields)).replace(" 100%", "")  # which tests need
    role = "" if new.is_owned else ", by_admin=True"
    seed = f"Seed({name}Service, {name}Create, [{bodies}]{role})"
    values = f'("{new.names.path}", {body})'
    if not new.is_owned:
        values = f'Shared("{new.names.path}", {body}, {name}Service, {name}Create)'
    operations = find_elements(_read(AUTHORIZATION), "TABLE", partial(_is_operation, example.names))
    has_same_roles = example.is_owned == new.is_owned
    return Registration(
        "OWNED" if new.is_owned else "SHARED",
        f'"{new.names.singular}_id": {values}',
        "" if new.parents else seed,
        Renamer(example.names, new.names).rename(", ".join(operations)) * has_same_roles,
    )


def register(new: Names, added: Registration, modules: Modules | None = None) -> Files:
    """Return the files that name every resource, with a new one."""
    modules = modules or {path: _read(path) for path in NAMING}
    imports = f"""
from app.schemas.{new.singular} import {new.camel}Create
from app.services.{new.singular}_service import {new.camel}Service
"""
    seeds, resources = modules[SEEDS], modules[RESOURCES]
    if added.seed:
        seeds = add_imports(edit_elements(seeds, "SEEDS", new=[added.seed]), imports)
    resources = edit_elements(resources, added.dictionary, new=[added.row])
    if added.dictionary == "SHARED":
        resources = add_imports(resources, imports)
    authorization = modules[AUTHORIZATION]
    if added.operations:
        authorization = edit_elements(authorization, "TABLE", new=[added.operations])
    model = f"from app.models.{new.singular} import {new.camel} as {new.camel}"
    router = edit_elements(modules[ROUTER], "api_routers", new=[f"{new.plural}.router"])
    return {
        MODELS: add_imports(modules[MODELS], model).code,
        ROUTER: add_imports(router, f"from app.api.v1.endpoints import {new.plural}").code,
        RESOURCES: resources.code,
        SEEDS: seeds.code,
        AUTHORIZATION: authorization.code,
    }


def unregister(old: Names) -> Modules:
    """Return the files that name every resource, without one."""
    router, row = f"{old.plural}.router", f"{old.singular}_id"
    seeds = edit_elements(_read(SEEDS), "SEEDS", keep=lambda e: not _is_seed(old, e))
    resources = _read(RESOURCES)
    for dictionary in TABLES:
        resources = edit_elements(resources, dictionary, keep=lambda e: e != row)
    for module in (f"app.schemas.{old.singular}", f"app.services.{old.singular}_service"):
        seeds, resources = remove_import(seeds, module), remove_import(resources, module)
    routers = remove_name(_read(ROUTER), "app.api.v1.endpoints", old.plural)
    return {
        MODELS: remove_import(_read(MODELS), f"app.models.{old.singular}"),
        ROUTER: edit_elements(routers, "api_routers", keep=lambda e: e != router),
        RESOURCES: resources,
        SEEDS: seeds,
        AUTHORIZATION: edit_elements(
            _read(AUTHORIZATION), "TABLE", keep=lambda e: not _is_operation(old, e)
        ),
    }


def _is_seed(names: Names, element: str) -> bool:
    return bool(re.search(rf"\b{names.camel}Service\b", element))


def _is_operation(names: Names, element: str) -> bool:
    return f" {names.path}" in element


def renamed(old: Names, new: Names) -> Files:
    """Return the files of a resource, and those that name every one, with another name."""
    renamer = Renamer(old, new)
    modules = [_read(path) for path in files(old)]
    _reject_ambiguous(new, renamer, modules)
    _reject_renamed_columns(modules[0], renamer)
    for columns in re.findall(r"UniqueConstraint\((.*)\)", modules[0].code):
        checks.reject_long_constraint(new, re.findall(r"\w+", columns))
    texts: Files = dict.fromkeys(files(old))
    for module, target in zip(modules, files(new), strict=True):
        texts[target] = module.visit(Rename(renamer)).code
    rows = {
        "row": find_elements(_read(RESOURCES), find_table(old), f'"{old.singular}_id"'.__eq__),
        "seed": find_elements(_read(SEEDS), "SEEDS", partial(_is_seed, old)),
        "operations": find_elements(_read(AUTHORIZATION), "TABLE", partial(_is_operation, old)),
    }
    added = {name: renamer.rename(", ".join(row)) for name, row in rows.items()}
    return texts | register(new, Registration(find_table(old), **added), unregister(old))


def _reject_renamed_columns(model: cst.Module, renamer: Renamer) -> None:
    """Reject a name that would change columns, whose rows are copied by their names."""
    for name in re.findall(r"^    (\w+): Mapped\[", model.code, re.MULTILINE):
        if renamer.rename(name) != name:
            message = f"The field {name} would be renamed, too: rename it first."
            raise ResourceError(message)


def _read(path: Path) -> cst.Module:
    try:
        return cst.parse_module(path.read_text(encoding="utf-8"))
    except cst.ParserSyntaxError as error:
        message = f"{path} is not valid Python: see line {error.raw_line}."
        raise ResourceError(message) from None
