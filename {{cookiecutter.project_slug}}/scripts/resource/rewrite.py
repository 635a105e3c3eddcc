"""Edits of Python files that keep their formatting, as transformers of libcst."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import libcst as cst
from libcst import matchers
from libcst.matchers import findall

from scripts.resource.fields import ALIASED, COMMON
from scripts.resource.names import Renamer, ResourceError


class Rename(cst.CSTTransformer):
    """Renames a resource in identifiers, strings and comments.

    The method `items()` and names of arguments stay: they are not the resource.
    """

    def __init__(self, renamer: Renamer) -> None:
        self.renamer = renamer
        self.kept: set[cst.Name] = set()

    def visit_Arg(self, node: cst.Arg) -> None:
        """Remember the name of an argument in a call."""
        if node.keyword:
            self.kept.add(node.keyword)

    def visit_Call(self, node: cst.Call) -> None:
        """Remember calls of `items()` of a dictionary."""
        if (
            isinstance(node.func, cst.Attribute)
            and node.func.attr.value == "items"
            and not node.args
        ):
            self.kept.add(node.func.attr)

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        """Rename an identifier."""
        if original_node in self.kept:
            return updated_node
        return updated_node.with_changes(value=self.renamer.rename(updated_node.value))

    def leave_SimpleString(
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.SimpleString:
        """Rename in a string: a text if it has spaces."""
        return updated_node.with_changes(value=self._rename_text(original_node.value))

    def leave_FormattedStringText(
        self, original_node: cst.FormattedStringText, updated_node: cst.FormattedStringText
    ) -> cst.FormattedStringText:
        """Rename in the text of an f-string."""
        return updated_node.with_changes(value=self._rename_text(original_node.value))

    def leave_Comment(self, original_node: cst.Comment, updated_node: cst.Comment) -> cst.Comment:
        """Rename in a comment."""
        return updated_node.with_changes(
            value=self.renamer.rename(original_node.value, is_prose=True)
        )

    def _rename_text(self, text: str) -> str:
        return self.renamer.rename(text, is_prose=" " in text)


def variables(module: cst.Module) -> set[str]:
    """Return the identifiers of a module, without names of arguments in calls."""
    names = [n for n in findall(module, matchers.Name()) if isinstance(n, cst.Name)]
    calls = [a for a in findall(module, matchers.Arg()) if isinstance(a, cst.Arg)]
    keywords = {argument.keyword for argument in calls}
    return {name.value for name in names if name not in keywords}


def replace_fields(module: cst.Module, class_name: str, fields: Iterable[str]) -> cst.Module:
    """Replace the fields of a class, except those that every resource has."""
    new = [cst.parse_statement(field) for field in fields]

    def replace(definition: cst.ClassDef) -> cst.ClassDef:
        statements = list(definition.body.body)
        own = [s for s in statements if _is_field(s)]
        at = statements.index(own[0]) if own else 1  # after the docstring
        kept = [s for s in statements if s not in own]
        body = definition.body.with_changes(body=[*kept[:at], *new, *kept[at:]])
        return definition.with_changes(body=body)

    return _edit(module, class_name, replace)


def _is_field(statement: cst.CSTNode) -> bool:
    """Return whether this is an attribute that not every resource has, or is about such ones."""
    is_annotated = matchers.SimpleStatementLine([matchers.AnnAssign()])
    name = name_of(statement)
    return name == "__table_args__" or (
        matchers.matches(statement, is_annotated) and name not in COMMON
    )


def append(module: cst.Module, code: str, *, before: str = "") -> cst.Module:
    """Add code to the end of a module, or before a class."""
    new = cst.parse_module(f"\n{code}").body
    names = [name_of(statement) for statement in module.body]
    at = names.index(before) if before else len(names)
    return module.with_changes(body=[*module.body[:at], *new, *module.body[at:]])


def append_method(module: cst.Module, class_name: str, code: str) -> cst.Module:
    """Add a method to a class."""
    method = cst.parse_statement(code)

    def add(definition: cst.ClassDef) -> cst.ClassDef:
        body = [*definition.body.body, method]
        return definition.with_changes(body=definition.body.with_changes(body=body))

    return _edit(module, class_name, add)


def edit_methods(
    module: cst.Module, class_name: str, edit: Callable[[cst.FunctionDef], cst.FunctionDef]
) -> cst.Module:
    """Change the methods of a class."""

    def change(definition: cst.ClassDef) -> cst.ClassDef:
        body = [edit(s) if isinstance(s, cst.FunctionDef) else s for s in definition.body.body]
        return definition.with_changes(body=definition.body.with_changes(body=body))

    return _edit(module, class_name, change)


def remove_attributes(module: cst.Module, class_name: str, names: set[str]) -> cst.Module:
    """Remove attributes of a class."""

    def change(definition: cst.ClassDef) -> cst.ClassDef:
        kept = [s for s in definition.body.body if name_of(s) not in names]
        return definition.with_changes(body=definition.body.with_changes(body=kept))

    return _edit(module, class_name, change)


class _Docstrings(matchers.MatcherDecoratableTransformer):
    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__()
        self.texts = texts

    @matchers.leave(matchers.ClassDef())
    def _edit_class(self, _before: cst.ClassDef, node: cst.ClassDef) -> cst.ClassDef:
        return node.with_changes(body=self._body(node))

    @matchers.leave(matchers.FunctionDef())
    def _edit_function(self, _before: cst.FunctionDef, node: cst.FunctionDef) -> cst.FunctionDef:
        return node.with_changes(body=self._body(node))

    def _body(self, node: cst.ClassDef | cst.FunctionDef) -> cst.BaseSuite:
        text, old = self.texts.get(node.name.value), node.get_docstring()
        if text is None or old is None:
            return node.body
        return node.body.with_changes(body=[_docstring(text, old), *node.body.body[1:]])


def _docstring(text: str, old: str) -> cst.BaseStatement:
    """Return a docstring with another first paragraph, and those of the old one that still hold."""
    first, *others = old.split("\n\n")
    kept = [paragraph for paragraph in others if "owner" not in paragraph]
    docstring = "\n\n".join([text.format(first), *kept]) + "\n" * bool(kept)
    return cst.parse_statement(f'"""{docstring}"""')


def set_docstrings(module: cst.Module, texts: Mapping[str, str]) -> cst.Module:
    """Replace the first paragraph of docstrings by the name of what they document.

    That of the module is "", and `{}` in a text is the former paragraph.
    """
    module, old = module.visit(_Docstrings(texts)), module.get_docstring()
    if "" not in texts or old is None:
        return module
    return module.with_changes(body=[_docstring(texts[""], old), *module.body[1:]])


class _FunctionEdit(cst.CSTTransformer):
    def __init__(self, name: str, edit: Callable[[cst.FunctionDef], cst.FunctionDef]) -> None:
        self.name = name
        self.edit = edit
        self.is_done = False

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        if original_node.name.value != self.name:
            return updated_node
        self.is_done = True
        return self.edit(updated_node)


def edit_function(
    module: cst.Module, name: str, edit: Callable[[cst.FunctionDef], cst.FunctionDef]
) -> cst.Module:
    """Change a function or method.

    Raises:
        ResourceError: if there is none of this name.
    """
    transformer = _FunctionEdit(name, edit)
    module = module.visit(transformer)
    if not transformer.is_done:
        message = f"The example has no function {name}: copy another resource, with like=…"
        raise ResourceError(message)
    return module


def add_responses(module: cst.Module, endpoint: str, errors: Iterable[str]) -> cst.Module:
    """Add to the documented errors of an endpoint."""

    def edit(function: cst.FunctionDef) -> cst.FunctionDef:
        routes = [d for d in function.decorators if isinstance(d.decorator, cst.Call)]
        if len(routes) != 1 or not isinstance(routes[0].decorator, cst.Call):
            message = f"The example of {endpoint}() has not one decorator: copy another resource."
            raise ResourceError(message)
        call = routes[0].decorator
        is_old = matchers.Arg(keyword=matchers.Name("responses"))
        old = [argument for argument in call.args if matchers.matches(argument, is_old)]
        value = _with_errors(old[0].value if old else None, errors)
        new = cst.Arg(keyword=cst.Name("responses"), value=value)
        kept = [argument for argument in call.args if argument not in old]
        changed = routes[0].with_changes(decorator=call.with_changes(args=[*kept, new]))
        decorators = [changed if d is routes[0] else d for d in function.decorators]
        return function.with_changes(decorators=decorators)

    return edit_function(module, endpoint, edit)


def _with_errors(documented: cst.BaseExpression | None, errors: Iterable[str]) -> Any:  # noqa: ANN401 - an expression
    code = cst.Module([]).code_for_node
    old: list[str] = []
    if isinstance(documented, cst.Call) and code(documented.func) == "problems":
        arguments = [a.with_changes(comma=cst.MaybeSentinel.DEFAULT) for a in documented.args]
        old = list(map(code, arguments))
    elif documented:
        message = f"These responses are not problems(…): {code(documented)}. Copy another resource."
        raise ResourceError(message)
    return cst.parse_expression(f"problems({', '.join(dict.fromkeys([*old, *errors]))})")


def replace_aliases(module: cst.Module, aliases: Iterable[str]) -> cst.Module:
    """Replace the types that stand between the imports and the first class."""
    starts = [f"= {type_}" for type_ in ALIASED]
    old = [s for s in module.body if any(t in module.code_for_node(s)[:60] for t in starts)]
    kept = [s for s in module.body if s not in old]
    at = next(number for number, s in enumerate(kept) if isinstance(s, cst.ClassDef))
    new = [cst.parse_statement(alias) for alias in aliases]
    return module.with_changes(body=[*kept[:at], *new, *kept[at:]])


def edit_elements(
    module: cst.Module,
    name: str,
    *,
    new: Iterable[str] = (),
    keep: Callable[[str], bool] = lambda _: True,
) -> cst.Module:
    """Replace the elements of a list, or the rows of a dictionary, that are not kept."""

    def edit(line: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
        old = _collection(line)
        first, last = "{}" if isinstance(old, cst.Dict) else "[]"
        added = cst.parse_expression(f"{first}{', '.join(new)}{last}")
        kept = _kept(old.elements, lambda e: keep(module.code_for_node(_key(e)).strip("\"'")))
        if len(kept) == len(old.elements) and not getattr(added, "elements", ()):
            return line
        elements = [*kept, *getattr(added, "elements", ())]
        end = old.elements[-1].comma if old.elements else cst.MaybeSentinel.DEFAULT
        commas = [e.comma if isinstance(e.comma, cst.Comma) else cst.Comma() for e in elements]
        separated = [
            e.with_changes(comma=comma)
            for e, comma in zip(elements, [*commas[:-1], end], strict=False)
        ]
        return _assign(line, old.with_changes(elements=separated))

    return _edit(module, name, edit)


def _kept(elements: Iterable[Any], is_kept: Callable[[Any], bool]) -> list[Any]:
    """Return the kept elements, with the comments that stood after those that are not."""
    kept: list[Any] = []
    for element in elements:
        if is_kept(element):
            kept.append(element)
        elif kept and (lines := _lines_after(element)) and _lines_after(kept[-1]) is not None:
            space = kept[-1].comma.whitespace_after
            space = space.with_changes(empty_lines=[*space.empty_lines, *lines])
            comma = kept[-1].comma.with_changes(whitespace_after=space)
            kept[-1] = kept[-1].with_changes(comma=comma)
    return kept


def _lines_after(element: Any) -> list[cst.EmptyLine] | None:  # noqa: ANN401 - an element
    """Return the lines with comments after the comma of an element, if it ends its line."""
    space = getattr(element.comma, "whitespace_after", None)
    return list(space.empty_lines) if isinstance(space, cst.ParenthesizedWhitespace) else None


def find_elements(module: cst.Module, name: str, is_wanted: Callable[[str], bool]) -> list[str]:
    """Return the code of elements of a list, or of rows of a dictionary with their keys."""
    line = _find(module, name)
    return [
        module.code_for_node(element.with_changes(comma=cst.MaybeSentinel.DEFAULT))
        for element in _collection(line).elements
        if is_wanted(module.code_for_node(_key(element)))
    ]


def set_constant(module: cst.Module, name: str, code: str) -> cst.Module:
    """Give a constant of the module another value."""
    return _edit(module, name, lambda line: _assign(line, cst.parse_expression(code)))


def add_imports(module: cst.Module, imports: str) -> cst.Module:
    """Add imports after the docstring; ruff sorts them, and removes those that are not used."""
    new = cst.parse_module(imports.lstrip()).body
    return module.with_changes(body=[module.body[0], *new, *module.body[1:]])


def remove_import(module: cst.Module, source: str) -> cst.Module:
    """Remove the imports from a module."""
    kept = [s for s in module.body if f"from {source} import" not in module.code_for_node(s)]
    return module.with_changes(body=kept)


def remove_name(module: cst.Module, source: str, name: str) -> cst.Module:
    """Remove one of the names that are imported from a module; ruff wraps the line again."""

    def edit(statement: cst.CSTNode) -> cst.CSTNode:
        if not isinstance(statement, cst.SimpleStatementLine) or not isinstance(
            statement.body[0], cst.ImportFrom
        ):
            return statement
        line = statement.body[0]
        if f"from {source} import" not in module.code_for_node(line) or isinstance(
            line.names, cst.ImportStar
        ):
            return statement
        kept = [alias for alias in line.names if alias.evaluated_name != name]
        plain = [alias.with_changes(comma=cst.MaybeSentinel.DEFAULT) for alias in kept]
        return statement.with_changes(body=[line.with_changes(names=plain, lpar=None, rpar=None)])

    return module.with_changes(body=[edit(statement) for statement in module.body])


def _edit(module: cst.Module, name: str, change: Callable[[Any], cst.CSTNode]) -> cst.Module:
    """Change the class or the assignment that has a name.

    Raises:
        ResourceError: if the module has none.
    """
    statement = _find(module, name)
    return module.with_changes(body=[change(s) if s is statement else s for s in module.body])


def _find(module: cst.Module, name: str) -> Any:  # noqa: ANN401 - a class or an assignment
    statement = next((s for s in module.body if name_of(s) == name), None)
    if statement is None:
        message = f"The example has no {name}: copy another resource, with like=…"
        raise ResourceError(message)
    return statement


def name_of(statement: cst.CSTNode) -> str:
    """Return the name of a class, or that to which a statement assigns."""
    if isinstance(statement, cst.ClassDef):
        return statement.name.value
    for part in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
        if isinstance(part, cst.AnnAssign) and isinstance(part.target, cst.Name):
            return part.target.value
        if isinstance(part, cst.Assign) and isinstance(part.targets[0].target, cst.Name):
            return part.targets[0].target.value
    return ""


def _assign(line: cst.SimpleStatementLine, value: cst.BaseExpression) -> cst.SimpleStatementLine:
    return line.with_changes(body=[line.body[0].with_changes(value=value)])


def _collection(line: cst.SimpleStatementLine) -> cst.Dict | cst.List:
    value = getattr(line.body[0], "value", None)
    if not isinstance(value, cst.Dict | cst.List):
        message = f"No list and no dictionary: {cst.Module([line]).code.strip()}"
        raise ResourceError(message)
    return value


def _key(element: cst.BaseDictElement | cst.BaseElement) -> cst.BaseExpression:
    return element.key if isinstance(element, cst.DictElement) else element.value
