"""Resources without an owner: every user reads them, and superusers write them.

What these edits do not know is refused, rather than copied into code that protects less.
"""

import re
from collections.abc import Sequence
from string import Template
from typing import Any

import libcst as cst
from libcst import matchers as m

from scripts.resource.names import Names, ResourceError, article
from scripts.resource.rewrite import (
    add_imports,
    add_responses,
    append,
    append_method,
    edit_elements,
    edit_function,
    edit_methods,
    name_of,
    remove_attributes,
    set_docstrings,
)

READING = {"get_by_id", "get_many"}  # methods of the service that every user may call
# What is left of the owner if the example is written in another way than items are.
LEFT_OVER = re.compile(r".*\b(owner|owner_id|is_superuser|user_id|as_bob|make_user)\b.*")
# Tests of what only an owner may do, or of what is deleted with the user.
TESTS_OF_OWNERS = re.compile(r"\b(as_bob|owner_id|make_user|CONFIRMED)\b")

# `QUERIES[user.is_superuser]`.
CHOSEN = m.Subscript(
    value=m.SaveMatchedNode(m.Name(), "queries"),
    slice=[m.SubscriptElement(m.Index(m.Attribute(attr=m.Name("is_superuser"))))],
)
# `{True: query, False: query.where(Item.owner_id == bindparam("user_id"))}`.
OF_OWNER = m.Comparison(
    m.Attribute(attr=m.Name("owner_id")),
    [m.ComparisonTarget(m.Equal(), m.Call(m.Name("bindparam")))],
)
OWN = m.Call(
    m.Attribute(m.SaveMatchedNode(m.DoNotCare(), "restricted"), m.Name("where")),
    [m.Arg(OF_OWNER)],
)
BY_ROLE = m.Dict(
    [
        m.DictElement(m.Name("True"), m.SaveMatchedNode(m.DoNotCare(), "all")),
        m.DictElement(m.Name("False"), OWN),
    ]
)
# `{role: f(query) for role, query in QUERIES.items()}`.
DERIVED = m.DictComp(
    key=m.SaveMatchedNode(m.Name(), "role"),
    value=m.SaveMatchedNode(m.Call(), "all"),
    for_in=m.CompFor(
        target=m.Tuple([m.Element(), m.Element(m.SaveMatchedNode(m.Name(), "query"))]),
        iter=m.Call(m.Attribute(m.SaveMatchedNode(m.Name(), "queries"), m.Name("items"))),
        ifs=[],
    ),
)
# `Mapping[bool, T]`.
MAPPING = m.Subscript(
    m.Name("Mapping"),
    [
        m.SubscriptElement(m.Index(m.Name("bool"))),
        m.SubscriptElement(m.Index(m.SaveMatchedNode(m.DoNotCare(), "type"))),
    ],
)
# `db.scalar(query, values)` or `paginate(db, query, page, sort, values, where=...)`.
EXECUTION = m.Call(
    m.Name("paginate") | m.Attribute(attr=m.Name("scalar") | m.Name("scalars") | m.Name("execute")),
    [m.AtLeastN(m.Arg(), n=1)],
)


def without_owner(modules: list[cst.Module], new: Names) -> list[cst.Module]:
    """Return model, schemas, service, endpoints and tests of a resource without its owner.

    Raises:
        ResourceError: if the code uses the owner in a way that is not known here.
    """
    model, schemas, service, endpoints, tests = modules
    for schema in ("Filters", "Read"):
        schemas = remove_attributes(schemas, f"{new.camel}{schema}", {"owner_id"})
    changed = [
        remove_attributes(model, new.camel, {"owner", "owner_id"}),
        schemas,
        _without_owner(service, new),
        _with_forbidden(endpoints, new),
        _tests_of_superusers(tests),
    ]
    changed = [set_docstrings(*edit) for edit in zip(changed, _docstrings(new), strict=True)]
    for module in changed:
        if left := LEFT_OVER.search(module.code):
            raise _not_understood(left[0])
    model, schemas, service, endpoints, tests = changed
    readers = _TEST_OF_READERS.substitute(name=new.singular, path=new.path)
    return [model, schemas, _for_superusers(service, new), endpoints, append(tests, readers)]


def _not_understood(code: str) -> ResourceError:
    return ResourceError(f"--no-owner does not understand this code of the example: {code.strip()}")


def _docstrings(new: Names) -> list[dict[str, str]]:
    """Return first paragraphs that say what an owner may do, by the names of what they document.

    `{}` is the former one.
    """
    singular, plural = new.words
    one, title = f"{article('a', singular)} {singular}", plural.capitalize()
    return [
        {"": f"{title}, which superusers write.", new.camel: f"{one.capitalize()}."},
        {f"{new.camel}Create": f"A new {singular}."},
        {
            "": f"{title}, which every user sees and superusers write.",
            f"{new.camel}NotFoundError": f"No {singular} has this id.",
            f"{new.camel}Service": f"{title}, which every user sees and superusers write.",
            "create": f"Create {one}.",
        },
        {
            "": f"Endpoints of {plural}: every user reads, and superusers write.",
            f"list_{new.plural}": f"List {plural}.",
            f"create_{new.singular}": f"Create {one}. Requires a superuser.",
            f"update_{new.singular}": "{} Requires a superuser.",
            f"delete_{new.singular}": "{} Requires a superuser.",
        },
        {"": f"{title}: read by every user, written by superusers, filtered and sorted."},
    ]


def _with_forbidden(endpoints: cst.Module, new: Names) -> cst.Module:
    """Document the error of a user who is no superuser, where methods are called that raise it."""
    for function in [s for s in endpoints.body if isinstance(s, cst.FunctionDef)]:
        code = _code(function)
        called = set(re.findall(rf"\b{new.plural}\.(\w+)\(", code))
        if called - READING or "lock=True" in code:
            endpoints = add_responses(endpoints, function.name.value, ["SuperuserRequiredError"])
    return endpoints


def _without_owner(service: cst.Module, new: Names) -> cst.Module:
    """Return the service with one query for all users, and without conditions of the owner."""
    service = _with_one_query(service)
    service = edit_elements(service, "CONDITIONS", keep=lambda name: name != "owner_id")
    for method in READING:
        service = edit_function(service, method, lambda f: _visited(f, _WithoutUserId()))
    return edit_function(service, "create", lambda f: _visited(f, _WithoutOwnerId(new.camel)))


def _visited(function: cst.FunctionDef, edit: cst.CSTTransformer) -> cst.FunctionDef:
    return cst.ensure_type(function.visit(edit), cst.FunctionDef)


class _WithoutUserId(m.MatcherDecoratableTransformer):
    """Removes the value of a parameter of queries, and the values if there are no others."""

    @m.leave(m.Assign(value=m.Dict() | m.Tuple()))
    def _edit_values(self, _before: cst.Assign, values: cst.Assign) -> cst.Assign:
        return cst.ensure_type(values.visit(_WithoutRow()), cst.Assign)

    @m.leave(EXECUTION)
    def _edit_arguments(self, _before: cst.Call, call: cst.Call) -> cst.Call:
        edited = [self._without_row(argument) for argument in call.args]
        kept = [arg for arg in edited if not m.matches(arg, m.Arg(m.Dict([]), keyword=None))]
        return call.with_changes(args=_without_last_comma(call.args, kept))

    def _without_row(self, argument: cst.Arg) -> cst.Arg:
        if not m.matches(argument, m.Arg(m.Dict(), keyword=None)):
            return argument
        return cst.ensure_type(argument.visit(_WithoutRow()), cst.Arg)


class _WithoutRow(m.MatcherDecoratableTransformer):
    @m.leave(m.Dict())
    def _edit_rows(self, _before: cst.Dict, values: cst.Dict) -> cst.Dict:
        of_user = m.DictElement(m.SimpleString('"user_id"'))
        kept = [row for row in values.elements if not m.matches(row, of_user)]
        return values.with_changes(elements=_without_last_comma(values.elements, kept))


class _WithoutOwnerId(m.MatcherDecoratableTransformer):
    """Removes the owner of a new object of a class."""

    def __init__(self, class_name: str) -> None:
        super().__init__()
        self.model = m.Call(m.Name(class_name))

    @m.leave(m.Call())
    def _edit_arguments(self, _before: cst.Call, call: cst.Call) -> cst.Call:
        of_owner = m.Arg(keyword=m.Name("owner_id"))
        is_new = m.matches(call, self.model)
        kept = [a for a in call.args if not (is_new and m.matches(a, of_owner))]
        return call.with_changes(args=_without_last_comma(call.args, kept))


def _without_last_comma(before: Sequence[Any], after: Sequence[Any]) -> Sequence[Any]:
    """Return what is left without a comma at its end, which would wrap the line."""
    if not after or len(before) == len(after):
        return after
    return [*after[:-1], after[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)]


def _for_superusers(service: cst.Module, new: Names) -> cst.Module:
    """Return the service that requires a superuser for all but reading.

    A row is locked to be changed, in a method of the service or elsewhere.
    """
    named = m.FunctionDef(m.OneOf(*map(m.Name, READING)))
    reading = " ".join(map(_code, m.findall(service, named)))

    def check(method: cst.FunctionDef) -> cst.FunctionDef:
        name = method.name.value
        if name == "get_by_id" and m.findall(method.params, m.Param(m.Name("lock"))):
            return _with_first(method, "if lock:\n    self._require_superuser()")
        if name.startswith("_") or name in READING:
            return method
        if method.decorators or f"self.{name}" in reading:
            raise _not_understood(_code(method))
        statements = method.body.body[bool(method.get_docstring()) :]
        is_locking = "lock=True" in "".join(map(_code, statements[:1]))
        return method if is_locking else _with_first(method, "self._require_superuser()")

    service = edit_methods(service, f"{new.camel}Service", check)
    service = append_method(service, f"{new.camel}Service", _REQUIRE_SUPERUSER)
    return add_imports(service, "from app.core.exceptions import SuperuserRequiredError")


def _with_first(method: cst.FunctionDef, code: str) -> cst.FunctionDef:
    """Insert a statement after the docstring of a method."""
    if not isinstance(method.body, cst.IndentedBlock):
        raise _not_understood(_code(method))
    at = bool(method.get_docstring())
    statements = [*method.body.body[:at], cst.parse_statement(code), *method.body.body[at:]]
    return method.with_changes(body=method.body.with_changes(body=statements))


_REQUIRE_SUPERUSER = """
def _require_superuser(self) -> None:
    if not self.user.is_superuser:
        raise SuperuserRequiredError
"""


def _with_one_query(service: cst.Module) -> cst.Module:
    """Replace queries by role with that of superusers, who see all."""
    names = {_code(found["queries"]) for found in m.extractall(service, CHOSEN)}
    replaced: set[str] = set()
    statements: list[Any] = []
    for statement in reversed(service.body):  # what is derived comes after its source
        if isinstance(statement, cst.SimpleStatementLine) and name_of(statement) in names:
            value, source = _query_of_all(statement)
            names |= source
            replaced.add(name_of(statement))
            statements.append(_assignment(statement, value))
        else:
            statements.append(statement)
    if unknown := names - replaced:
        raise _not_understood(", ".join(sorted(unknown)))
    return service.with_changes(body=statements[::-1]).visit(_Unchosen())


class _Unchosen(m.MatcherDecoratableTransformer):
    @m.leave(CHOSEN)
    def _use_query(self, _before: cst.Subscript, chosen: cst.Subscript) -> cst.BaseExpression:
        return chosen.value


def _query_of_all(line: cst.SimpleStatementLine) -> tuple[str, set[str]]:
    """Return the query of superusers, and the name of the queries of which it is made, if any."""
    value = getattr(line.body[0], "value", None)
    if found := _extract(value, BY_ROLE):
        if _code(found["restricted"]) == _code(found["all"]):
            return _code(found["all"]), set()
    elif found := _extract(value, DERIVED):
        query = m.replace(found["all"], m.Name(found["query"].value), found["queries"])
        if not m.findall(query, m.Name(found["role"].value)):
            return _code(query), {found["queries"].value}
    raise _not_understood(_code(line))


def _extract(node: Any, matcher: m.BaseMatcherNode) -> dict[str, Any]:  # noqa: ANN401 - a node or None
    return dict(m.extract(node, matcher) or {})


def _assignment(line: cst.SimpleStatementLine, value: str) -> cst.BaseStatement:
    """Return the assignment of a query for everyone, without the comments on roles."""
    type_ = getattr(line.body[0], "annotation", None)
    found = _extract(type_.annotation, MAPPING) if type_ else {}
    annotation = f": {_code(found['type'])}" if found else ""
    comments = [one for one in line.leading_lines if not LEFT_OVER.match(_code(one))]
    statement = cst.parse_statement(f"{name_of(line)}{annotation} = {value}")
    return statement.with_changes(leading_lines=comments)


def _code(node: Any) -> str:  # noqa: ANN401 - a node that matched
    return cst.Module([]).code_for_node(node)


def _tests_of_superusers(tests: cst.Module) -> cst.Module:
    """Send the requests of the tests as a superuser, and remove the tests of owners."""
    kept = [s for s in tests.body if not _is_test_of_owners(s)]
    return tests.with_changes(body=kept).visit(_AsSuperuser())


def _is_test_of_owners(statement: cst.CSTNode) -> bool:
    is_test = isinstance(statement, cst.FunctionDef) and statement.name.value.startswith("test_")
    return is_test and bool(TESTS_OF_OWNERS.search(_code(statement.with_changes(decorators=[]))))


class _AsSuperuser(m.MatcherDecoratableTransformer):
    @m.leave(m.Element(m.Dict([m.DictElement(m.SimpleString('"owner_id"'))])))
    def _remove_parameter(self, _before: cst.Element, _element: cst.Element) -> cst.RemovalSentinel:
        return cst.RemoveFromParent()

    @m.leave(m.Name("as_ann"))
    def _rename_client(self, _before: cst.Name, client: cst.Name) -> cst.Name:
        return client.with_changes(value="as_root")

    @m.leave(m.Parameters())
    def _remove_second_client(
        self, _before: cst.Parameters, parameters: cst.Parameters
    ) -> cst.Parameters:
        by_name = {parameter.name.value: parameter for parameter in parameters.params}
        return parameters.with_changes(params=list(by_name.values()))


_TEST_OF_READERS = Template("""
async def test_created_${name}_is_read_by_every_user(
    as_root: AsyncClient, as_ann: AsyncClient
) -> None:
    body = await prepare(as_root, BODY)

    ($name,) = await create(as_root, body)

    assert $name.items() >= body.items()
    assert $name == (await as_ann.get(f"$path{$name['id']}")).json()
    assert [$name] == (await as_ann.get("$path")).json()
""")
