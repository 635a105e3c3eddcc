"""Resources without an owner: every user reads them, and superusers write them."""

import re
from collections.abc import Sequence
from string import Template
from typing import Any

import libcst as cst
from libcst import matchers as m

from scripts.resource.names import Names, ResourceError, article
from scripts.resource.rewrite import (
    add_imports,
    append,
    name_of,
    set_docstrings,
    set_route_argument,
)

OWNER = {"owner", "owner_id", "user_id"}
# What is left of the owner if the example is written in another way than items are.
LEFT_OVER = re.compile(r".*\b(owner|owner_id|is_superuser|user_id|as_bob)\b.*")

# `{True: query, False: query}`, of which superusers have the first.
BY_ROLE = m.Dict(
    [
        m.DictElement(m.Name("True")),
        m.DictElement(m.Name("False")),
    ]
)
# `{role: f(query) for role, query in QUERIES.items()}`.
DERIVED = m.DictComp(
    value=m.Call(),
    for_in=m.CompFor(
        target=m.Tuple([m.Element(), m.Element(m.SaveMatchedNode(m.Name(), "query"))]),
        iter=m.Call(m.Attribute(m.SaveMatchedNode(m.Name(), "source"), m.Name("items"))),
    ),
)
# `QUERIES[user.is_superuser]`.
CHOSEN = m.Subscript(slice=[m.SubscriptElement(m.Index(m.Attribute(attr=m.Name("is_superuser"))))])
# `Mapping[bool, T]`.
MAPPING = m.Subscript(
    m.Name("Mapping"),
    [
        m.SubscriptElement(m.Index(m.Name("bool"))),
        m.SubscriptElement(m.Index()),
    ],
)


def is_owned(model: str) -> bool:
    """Return whether a resource has an owner, from the code of its model."""
    return "owner_id" in model


def without_owner(modules: list[cst.Module], new: Names) -> list[cst.Module]:
    """Return model, schemas, service, endpoints and tests of a resource without its owner.

    Raises:
        ResourceError: if the code uses the owner in a way that is not known here.
    """
    *code, tests = modules
    *code, endpoints, tests = [
        set_docstrings(module.visit(_WithoutOwner()), docstrings)
        for module, docstrings in zip(
            [*code, tests.visit(_TestsOfSuperusers())], _docstrings(new), strict=True
        )
    ]
    changed = [*code, _for_superusers(endpoints, new), tests]
    for module in changed:
        if left := LEFT_OVER.search(module.code):
            message = f"--no-owner does not understand this line of the example: {left[0].strip()}"
            raise ResourceError(message)
    readers = _TEST_OF_READERS.substitute(name=new.singular, path=new.path)
    return [*changed[:-1], append(tests, readers)]


def _docstrings(new: Names) -> list[dict[str, str]]:
    """Return those that say what an owner may do, by the names of classes and functions."""
    singular, plural = new.words
    one, title = f"{article('a', singular)} {singular}", plural.capitalize()
    return [
        {"": f"{title}, which superusers write.", new.camel: f"{one.capitalize()}."},
        {f"{new.camel}Create": f"A new {singular}."},
        {
            "": f"{title}, which every user sees and superusers write.",
            f"{new.camel}NotFoundError": f"No {singular} has this id.",
            f"{new.camel}Service": f"{title}, which every user sees.",
            "create": f"Create {one}.",
        },
        {
            "": f"Endpoints of {plural}: every user reads, and superusers write.",
            f"list_{new.plural}": f"List {plural}.",
            f"create_{new.singular}": f"Create {one}. Requires a superuser.",
            f"update_{new.singular}": f"Update {one}. Requires a superuser.",
            f"delete_{new.singular}": f"Delete {one}. Requires a superuser.",
        },
        {"": f"{title}: read by every user, written by superusers, filtered and sorted."},
    ]


def _for_superusers(endpoints: cst.Module, new: Names) -> cst.Module:
    for action in ("create", "update", "delete"):
        name = f"{action}_{new.singular}"
        endpoints = set_route_argument(endpoints, name, "dependencies", "[superuser_only]")
    return add_imports(endpoints, "from app.dependencies import superuser_only")


class _WithoutOwner(m.MatcherDecoratableTransformer):
    """Removes fields, arguments and rows of the owner, and what differs for superusers."""

    @m.leave(m.SimpleStatementLine())
    def _remove_attribute(
        self, _before: cst.SimpleStatementLine, line: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.RemovalSentinel:
        if name_of(line) in OWNER:
            return cst.RemoveFromParent()
        comments = [comment for comment in line.leading_lines if not _is_about_owner(comment)]
        return line.with_changes(leading_lines=comments)

    @m.leave(m.Call())
    def _edit_arguments(self, before: cst.Call, call: cst.Call) -> cst.Call:
        return call.with_changes(args=_without_last_comma(before.args, call.args))

    @m.leave(m.Dict())
    def _edit_rows(self, before: cst.Dict, rows: cst.Dict) -> cst.BaseExpression:
        if m.matches(before, BY_ROLE):
            return rows.elements[0].value
        return rows.with_changes(elements=_without_last_comma(before.elements, rows.elements))

    @m.leave(m.DictElement())
    def _remove_row(
        self, _before: cst.DictElement, row: cst.DictElement
    ) -> cst.DictElement | cst.RemovalSentinel:
        is_owner = isinstance(row.key, cst.SimpleString) and row.key.raw_value in OWNER
        return cst.RemoveFromParent() if is_owner else row

    @m.leave(m.Arg())
    def _remove_argument(self, before: cst.Arg, argument: cst.Arg) -> cst.Arg | cst.RemovalSentinel:
        is_owner = argument.keyword is not None and argument.keyword.value in OWNER
        is_removed = is_owner or _is_emptied(before, argument)
        return cst.RemoveFromParent() if is_removed else argument

    @m.leave(m.Element())
    def _remove_element(
        self, before: cst.Element, element: cst.Element
    ) -> cst.Element | cst.RemovalSentinel:
        return cst.RemoveFromParent() if _is_emptied(before, element) else element

    @m.leave(DERIVED)
    def _derive_from_one_query(self, _before: cst.DictComp, queries: cst.DictComp) -> cst.Call:
        found = m.extract(queries, DERIVED) or {}
        query, source = (cst.ensure_type(found[name], cst.Name) for name in ("query", "source"))
        one = m.replace(queries.value, m.Name(query.value), source)
        return cst.ensure_type(one, cst.Call)

    @m.leave(CHOSEN)
    def _use_one_query(self, _before: cst.Subscript, chosen: cst.Subscript) -> cst.BaseExpression:
        return chosen.value

    @m.leave(MAPPING)
    def _use_type_of_query(
        self, _before: cst.Subscript, mapping: cst.Subscript
    ) -> cst.BaseExpression:
        return cst.ensure_type(mapping.slice[1].slice, cst.Index).value


def _without_last_comma(before: Sequence[Any], after: Sequence[Any]) -> Sequence[Any]:
    """Return what is left without a comma at its end, which would wrap the line."""
    if not after or len(before) == len(after):
        return after
    return [*after[:-1], after[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)]


def _is_about_owner(line: cst.EmptyLine) -> bool:
    return bool(line.comment and LEFT_OVER.match(line.comment.value))


def _is_emptied(before: cst.Arg | cst.Element, after: cst.Arg | cst.Element) -> bool:
    empty = m.Dict(elements=[])
    return not m.matches(before.value, empty) and m.matches(after.value, empty)


class _TestsOfSuperusers(m.MatcherDecoratableTransformer):
    """Sends the requests of the tests as a superuser, and removes the tests of owners."""

    @m.leave(m.FunctionDef())
    def _remove_test(
        self, before: cst.FunctionDef, test: cst.FunctionDef
    ) -> cst.FunctionDef | cst.RemovalSentinel:
        code = cst.Module([]).code_for_node(before.with_changes(decorators=[]))
        is_of_owner = re.search(r"\b(as_bob|owner_id|CONFIRMED)\b", code)
        return cst.RemoveFromParent() if is_of_owner else test

    @m.leave(m.Parameters())
    def _remove_second_client(
        self, _before: cst.Parameters, parameters: cst.Parameters
    ) -> cst.Parameters:
        by_name = {parameter.name.value: parameter for parameter in parameters.params}
        return parameters.with_changes(params=list(by_name.values()))

    @m.leave(m.Name("as_ann"))
    def _use_client_of_superuser(self, _before: cst.Name, client: cst.Name) -> cst.Name:
        return client.with_changes(value="as_root")


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
