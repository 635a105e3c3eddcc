"""What a service checks of fields: references to what the user sees, and unique values."""

from string import Template

import libcst as cst

from scripts.resource.fields import Field
from scripts.resource.names import MAX_CONSTRAINT_LENGTH, Names, ResourceError, camel
from scripts.resource.rewrite import (
    add_imports,
    append,
    append_method,
    edit_function,
    set_responses,
)

CHECKS = "_check_references", "translate_duplicate"
IMPORTS = """
from app.core.exceptions import ConflictError
from app.db.errors import translate_duplicate
"""


def parents(fields: list[Field]) -> list[Names]:
    """Return the resources to which fields refer."""
    return list(dict.fromkeys(field.parent for field in fields if field.parent))


def has_checks(service: str) -> bool:
    """Return whether the code of a service has checks of fields that a copy may not have."""
    return any(name in service for name in CHECKS)


def table_arguments(new: Names, fields: list[Field]) -> list[str]:
    """Return the attribute of the model with the unique constraints, if there are any."""
    unique = [field.name for field in fields if field.is_unique]
    reject_long_constraints(new, unique)
    constraints = [f'UniqueConstraint("owner_id", "{name}"),' for name in unique]
    return [f"__table_args__ = ({' '.join(constraints)})"] if constraints else []


def reject_long_constraints(new: Names, unique: list[str]) -> None:
    """Reject names of constraints that PostgreSQL would shorten."""
    for name in unique:
        if len(f"uq_{new.plural}_owner_id_{name}") > MAX_CONSTRAINT_LENGTH:
            message = f"The name of the unique constraint of {name} is too long for PostgreSQL."
            raise ResourceError(message)


def add_to_service(service: cst.Module, new: Names, fields: list[Field]) -> cst.Module:
    """Add the checks to a service, and the errors that they raise."""
    name, unique = camel(new.singular), [field for field in fields if field.is_unique]
    for field in unique:
        service = append(service, _error(new, field), before=f"{name}Service")
    if parents(fields):
        service = append_method(service, f"{name}Service", _check_references(new, fields))
    for method in ("create", "update"):
        service = edit_function(service, method, lambda f: _with_checks(f, new, fields))
    imports = [
        f"from app.services.{parent.singular}_service import "
        f"{camel(parent.singular)}NotFoundError, {camel(parent.singular)}Service"
        for parent in parents(fields)
    ]
    return add_imports(service, IMPORTS + "\n".join(imports))


def _error(new: Names, field: Field) -> str:
    article = "An" if new.singular[0] in "aeio" else "A"
    words, value = new.words.singular, field.name.replace("_", " ")
    return f'''
class {_error_name(new, field)}(ConflictError):
    """Another {words} of the owner has this {value}."""

    detail = "{article} {words} with this {value} exists already."
'''


def _error_name(new: Names, field: Field) -> str:
    return f"{camel(new.singular)}{camel(field.name)}TakenError"


def _check_references(new: Names, fields: list[Field]) -> str:
    name = camel(new.singular)
    references = [(field.name, field.parent) for field in fields if field.parent]
    code = f'''
async def _check_references(
    self, {new.singular}_in: {name}Create | {name}Update, owner_id: int
) -> None:
    """Reject ids of objects that the user does not see, or that another user owns."""
'''
    for field, parent in references:
        service, value = f"{camel(parent.singular)}Service", f"{new.singular}_in.{field}"
        variable = field.removesuffix("_id")
        code += f"""\
    if {value} is not None:
        {variable} = await {service}(self.db, self.user).get_by_id({value})
        if {variable}.owner_id != owner_id:
            raise {camel(parent.singular)}NotFoundError
"""
    return code


def _with_checks(function: cst.FunctionDef, new: Names, fields: list[Field]) -> cst.FunctionDef:
    """Check references when the row is locked, and translate duplicates when it is written."""
    body, code = list(function.body.body), cst.Module([]).code_for_node
    if parents(fields):
        at = next(n for n, s in enumerate(body) if n and "get_by_id" not in code(s))
        owner = "self.user.id" if function.name.value == "create" else f"{new.singular}.owner_id"
        check = f"await self._check_references({new.singular}_in, {owner})"
        body.insert(at, cst.parse_statement(check))
    if unique := [field for field in fields if field.is_unique]:
        errors = ", ".join(
            f'translate_duplicate({_error_name(new, f)}, "{new.plural}", "owner_id", "{f.name}")'
            for f in unique
        )
        flushes = [n for n, s in enumerate(body) if "self.db.flush()" in code(s)]
        if not flushes:
            message = f"{function.name.value}() of the example does not flush: copy another one."
            raise ResourceError(message)
        body[flushes[0]] = cst.parse_statement(f"with {errors}:\n    await self.db.flush()")
    return function.with_changes(body=function.body.with_changes(body=body))


def add_to_endpoints(endpoints: cst.Module, new: Names, fields: list[Field]) -> cst.Module:
    """Document the errors of the checks."""
    missing = [f"{camel(parent.singular)}NotFoundError" for parent in parents(fields)]
    taken = [_error_name(new, field) for field in fields if field.is_unique]
    if not missing and not taken:
        return endpoints
    own = f"{camel(new.singular)}NotFoundError"
    errors = [*missing, *taken, "ConcurrentChangeError"]
    endpoints = set_responses(endpoints, f"create_{new.singular}", errors)
    endpoints = set_responses(endpoints, f"update_{new.singular}", [own, *errors])
    imports = [f"from app.services.{new.singular}_service import {', '.join(taken)}"] * bool(taken)
    imports += [
        f"from app.services.{parent.singular}_service import {camel(parent.singular)}NotFoundError"
        for parent in parents(fields)
    ]
    return add_imports(endpoints, "\n".join(imports))


def add_to_tests(tests: cst.Module, new: Names, fields: list[Field]) -> cst.Module:
    """Test that other users' parents are not found, and that duplicates are conflicts."""
    path = new.forms()["kebab"].plural
    if references := [field.name for field in fields if field.parent]:
        tests = append(
            tests, _REFERENCE_TESTS.substitute(name=new.singular, path=path, fields=references)
        )
    if unique := [field.name for field in fields if field.is_unique]:
        tests = append(tests, _UNIQUE_TEST.substitute(name=new.singular, path=path, fields=unique))
    return add_imports(tests, "from tests.resources import Reference")


_REFERENCE_TESTS = Template("""
@pytest.mark.parametrize("field", $fields)
async def test_${name}_of_what_another_user_owns_is_404(
    as_ann: AsyncClient, as_bob: AsyncClient, as_root: AsyncClient, field: str
) -> None:
    body, others = await prepare(as_ann, BODY), await prepare(as_bob, BODY)
    ($name,) = await create(as_ann, body)
    change = {field: others[field]}

    created = await as_ann.post("/$path/", json=body | change)
    updated = [
        await client.patch(f"/$path/{$name['id']}", json=change) for client in (as_ann, as_root)
    ]

    assert {response.status_code for response in (created, *updated)} == {404}
    assert (await as_ann.get("/$path/")).json() == [$name]


@pytest.mark.parametrize("field", $fields)
async def test_${name}_list_is_filtered_by_reference(as_ann: AsyncClient, field: str) -> None:
    $name, _ = await create(as_ann, BODY, OTHER_BODY)

    assert await ids(as_ann, **{field: $name[field]}) == [$name["id"]]
""")
_UNIQUE_TEST = Template("""
@pytest.mark.parametrize("field", $fields)
async def test_${name}_with_a_value_that_another_one_has_is_409(
    as_ann: AsyncClient, as_bob: AsyncClient, field: str
) -> None:
    await create(as_ann, BODY)
    await create(as_bob, BODY)
    body, change = await prepare(as_ann, OTHER_BODY), {field: BODY[field]}

    created = await as_ann.post("/$path/", json=body | change)
    ($name,) = await create(as_ann, body)
    updated = await as_ann.patch(f"/$path/{$name['id']}", json=change)

    assert created.status_code == updated.status_code == 409
    assert created.json()["code"].endswith("_taken")
""")
