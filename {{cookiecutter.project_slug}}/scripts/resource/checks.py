"""What a service checks of fields: references to what the user sees, and unique values."""

from string import Template

import libcst as cst

from scripts.resource.fields import Field, Resource
from scripts.resource.names import MAX_CONSTRAINT_LENGTH, Names, ResourceError, article, camel
from scripts.resource.rewrite import (
    add_imports,
    add_responses,
    append,
    append_method,
    edit_function,
)

CHECKS = "_check_references", "translate_duplicate"
IMPORTS = """
from app.core.exceptions import ConcurrentChangeError, ConflictError
from app.core.exceptions import StillReferencedError, SuperuserRequiredError
from app.db.errors import translate_duplicate
"""


def has_checks(service: str) -> bool:
    """Return whether the code of a service has checks of fields that a copy may not have."""
    return any(name in service for name in CHECKS)


def table_arguments(new: Resource) -> list[str]:
    """Return the attribute of the model with the unique constraints, if there are any."""
    constraints = [_unique_columns(new, field) for field in new.unique]
    for columns in constraints:
        reject_long_constraint(new.names, columns)
    arguments = [
        f"UniqueConstraint({', '.join(map(_quoted, columns))})," for columns in constraints
    ]
    return [f"__table_args__ = ({' '.join(arguments)})"] if arguments else []


def _unique_columns(new: Resource, field: Field) -> list[str]:
    return ["owner_id"] * new.is_owned + [field.name]


def _quoted(name: str) -> str:
    return f'"{name}"'


def reject_long_constraint(names: Names, columns: list[str]) -> None:
    """Reject the name of a unique constraint that PostgreSQL would shorten."""
    if len(f"uq_{names.plural}_{'_'.join(columns)}") > MAX_CONSTRAINT_LENGTH:
        message = f"The name of the unique constraint of {columns[-1]} is too long for PostgreSQL."
        raise ResourceError(message)


def add_to_service(service: cst.Module, new: Resource) -> cst.Module:
    """Add the checks to a service, and the errors that they raise."""
    name = new.names.camel
    for field in new.unique:
        service = append(service, _error(new, field), before=f"{name}Service")
    if new.parents:
        service = append_method(service, f"{name}Service", _check_references(new))
    for method in ("create", "update"):
        service = edit_function(service, method, lambda f: _with_checks(f, new))
    imports = [
        f"from app.services.{parent.singular}_service import "
        f"{parent.camel}NotFoundError, {parent.camel}Service"
        for parent in new.parents
    ]
    return add_imports(service, IMPORTS + "\n".join(imports))


def _error(new: Resource, field: Field) -> str:
    words, value = new.names.words.singular, field.name.replace("_", " ")
    other = f"Another {words} of the owner" if new.is_owned else f"Another {words}"
    return f'''
class {_error_name(new, field)}(ConflictError):
    """{other} has this {value}."""

    detail = "{article("A", words)} {words} with this {value} exists already."
'''


def _error_name(new: Resource, field: Field) -> str:
    return f"{new.names.camel}{camel(field.name)}TakenError"


def _check_references(new: Resource) -> str:
    name, singular = new.names.camel, new.names.singular
    reason = "that the user does not see, or that another user owns"
    parameters = f"self, {singular}_in: {name}Create | {name}Update"
    if new.has_owned_parent:
        parameters += ", owner_id: int"
    code = f'''
async def _check_references({parameters}) -> None:
    """Reject ids of objects {reason if new.has_owned_parent else "that do not exist"}."""
'''
    return code + "".join(_check_reference(singular, *reference) for reference in new.references)


def _check_reference(resource: str, field: Field, parent: Names) -> str:
    value = f"{resource}_in.{field.name}"
    found = f"await {parent.camel}Service(self.db, self.user).get_by_id({value})"
    if not field.is_parent_owned:
        return f"""\
    if {value} is not None:
        {found}
"""
    variable = field.name.removesuffix("_id")
    return f"""\
    if {value} is not None:
        {variable} = {found}
        if {variable}.owner_id != owner_id:
            raise {parent.camel}NotFoundError
"""


def _with_checks(function: cst.FunctionDef, new: Resource) -> cst.FunctionDef:
    """Check references when the row is locked, and translate duplicates when it is written."""
    body, code = list(function.body.body), cst.Module([]).code_for_node
    singular, method = new.names.singular, function.name.value
    if new.parents:
        at = next(n for n, s in enumerate(body) if n and "get_by_id" not in code(s))
        owner = "self.user.id" if method == "create" else f"{singular}.owner_id"
        arguments = f"{singular}_in, {owner}" if new.has_owned_parent else f"{singular}_in"
        body.insert(at, cst.parse_statement(f"await self._check_references({arguments})"))
    if new.unique:
        errors = ", ".join(_translation(new, field) for field in new.unique)
        flushes = [n for n, s in enumerate(body) if "self.db.flush()" in code(s)]
        if not flushes:
            message = f"{method}() of the example does not flush: copy another one."
            raise ResourceError(message)
        body[flushes[0]] = cst.parse_statement(f"with {errors}:\n    await self.db.flush()")
    return function.with_changes(body=function.body.with_changes(body=body))


def _translation(new: Resource, field: Field) -> str:
    columns = ", ".join(map(_quoted, [new.names.plural, *_unique_columns(new, field)]))
    return f"translate_duplicate({_error_name(new, field)}, {columns})"


def add_to_endpoints(endpoints: cst.Module, new: Resource) -> cst.Module:
    """Document the errors of writing."""
    missing = [f"{parent.camel}NotFoundError" for parent in new.parents]
    taken = [_error_name(new, field) for field in new.unique]
    checked = [*missing, *taken]
    errors = {
        "create": [*checked, *["ConcurrentChangeError"] * bool(checked)],
        "update": checked,
        "delete": ["StillReferencedError"] * (not new.is_owned),
    }
    for action in [action for action, names in errors.items() if names]:
        name = f"{action}_{new.names.singular}"
        endpoints = add_responses(endpoints, name, errors[action])
    imports = [f"from app.services.{new.names.singular}_service import {name}" for name in taken]
    imports += [
        f"from app.services.{parent.singular}_service import {parent.camel}NotFoundError"
        for parent in new.parents
    ]
    return add_imports(endpoints, IMPORTS + "\n".join(imports))


def add_to_tests(tests: cst.Module, new: Resource) -> cst.Module:
    """Test that objects that the user does not see are not found, and duplicates conflicts."""
    references = [field for field, _ in new.references]
    for template, fields in (
        (_TESTS_OF_OWNED_PARENTS, [f for f in references if f.is_parent_owned]),
        (_TESTS_OF_SHARED_PARENTS, [f for f in references if not f.is_parent_owned]),
        (_TESTS_OF_REFERENCES, references),
        (_TESTS_OF_OPTIONAL, [f for f in references if f.is_optional]),
        (_TESTS_OF_CASCADE, [f for f in references if not f.is_optional and f.is_parent_owned]),
        (
            _TESTS_OF_RESTRICT,
            [f for f in references if not f.is_optional and not f.is_parent_owned],
        ),
        (_TESTS_OF_UNIQUE, new.unique),
        (_TESTS_OF_UNIQUE_BY_OWNER, new.unique),  # removed again if there is no owner
    ):
        if fields:
            names = [field.name for field in fields]
            code = template.substitute(name=new.names.singular, path=new.names.path, fields=names)
            tests = append(tests, code)
    return add_imports(tests, "from tests.resources import Reference, path_of")


_TESTS_OF_OWNED_PARENTS = Template("""
@pytest.mark.parametrize("field", $fields)
async def test_${name}_of_what_another_user_owns_is_404(
    as_ann: AsyncClient, as_bob: AsyncClient, as_root: AsyncClient, field: str
) -> None:
    body, others = await prepare(as_ann, BODY), await prepare(as_bob, BODY)
    ($name,) = await create(as_ann, body)
    change = {field: others[field]}

    created = await as_ann.post("$path", json=body | change)
    updated = [
        await client.patch(f"$path{$name['id']}", json=change) for client in (as_ann, as_root)
    ]

    assert {response.status_code for response in (created, *updated)} == {404}
    assert (await as_ann.get("$path")).json() == [$name]
""")
_TESTS_OF_SHARED_PARENTS = Template("""
@pytest.mark.parametrize("field", $fields)
async def test_${name}_of_what_does_not_exist_is_404(as_ann: AsyncClient, field: str) -> None:
    body, change = await prepare(as_ann, BODY), {field: 2**31 - 1}
    ($name,) = await create(as_ann, body)

    created = await as_ann.post("$path", json=body | change)
    updated = await as_ann.patch(f"$path{$name['id']}", json=change)

    assert created.status_code == updated.status_code == 404
    assert (await as_ann.get("$path")).json() == [$name]
""")
_TESTS_OF_REFERENCES = Template("""
@pytest.mark.parametrize("field", $fields)
async def test_${name}_list_is_filtered_by_reference(as_ann: AsyncClient, field: str) -> None:
    $name, _ = await create(as_ann, BODY, OTHER_BODY)

    assert await ids(as_ann, **{field: $name[field]}) == [$name["id"]]
""")
_TESTS_OF_OPTIONAL = Template("""
@pytest.mark.parametrize("field", $fields)
async def test_${name}_stays_when_what_it_may_refer_to_is_deleted(
    as_ann: AsyncClient, as_root: AsyncClient, field: str
) -> None:
    ($name,) = await create(as_ann, BODY)

    await as_root.delete(f"{path_of(BODY[field])}{$name[field]}")

    assert (await as_ann.get(f"$path{$name['id']}")).json() == $name | {field: None}
""")
_TESTS_OF_CASCADE = Template("""
@pytest.mark.parametrize("field", $fields)
async def test_${name}_is_deleted_with_what_it_refers_to(
    as_ann: AsyncClient, as_root: AsyncClient, field: str
) -> None:
    ($name,) = await create(as_ann, BODY)

    await as_root.delete(f"{path_of(BODY[field])}{$name[field]}")

    assert (await as_ann.get("$path")).json() == []
""")
_TESTS_OF_RESTRICT = Template("""
@pytest.mark.parametrize("field", $fields)
async def test_what_${name}_refers_to_is_not_deleted(
    as_ann: AsyncClient, as_root: AsyncClient, field: str
) -> None:
    ($name,) = await create(as_ann, BODY)

    response = await as_root.delete(f"{path_of(BODY[field])}{$name[field]}")

    assert (response.status_code, response.json()["code"]) == (409, "still_referenced")
    assert (await as_ann.get("$path")).json() == [$name]
""")
_TESTS_OF_UNIQUE = Template("""
@pytest.mark.parametrize("field", $fields)
async def test_${name}_with_a_value_that_another_one_has_is_409(
    as_ann: AsyncClient, field: str
) -> None:
    await create(as_ann, BODY)
    body, change = await prepare(as_ann, OTHER_BODY), {field: BODY[field]}

    created = await as_ann.post("$path", json=body | change)
    ($name,) = await create(as_ann, body)
    updated = await as_ann.patch(f"$path{$name['id']}", json=change)

    assert created.status_code == updated.status_code == 409
    assert created.json()["code"].endswith("_taken")
""")
_TESTS_OF_UNIQUE_BY_OWNER = Template("""
async def test_${name}_of_another_user_may_have_the_same_values(
    as_ann: AsyncClient, as_bob: AsyncClient
) -> None:
    await create(as_ann, BODY)

    await create(as_bob, BODY)
""")
