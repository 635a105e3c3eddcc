"""Fields of a resource: parsed from the command line, and as code for each of its files."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pydantic import BaseModel

from scripts.resource.names import Names, ResourceError, camel, check_name

# Columns, attributes and query parameters that every resource has.
COMMON = {"id", "owner_id", "owner", "created_at", "updated_at", "created_after", "created_before"}
# Names that the copied code uses, or whose values rows, models and schemas have already.
RESERVED = {
    *COMMON,
    *dir(BaseModel),
    *("q", "sort", "skip", "limit", "after", "count", "conditions", "no_such_filter"),
    *("metadata", "registry", "relationship", "mapped_column", "backref", "self", "t", "tuple"),
}
TYPES = {"bool", "date", "datetime", "dict", "float", "int", "str"}
FIELD = re.compile(r"([^:]+):([a-z]+)(?:\(([^()]*)\))?(:unique)?(\?)?")
ALIASED = ("Annotated[", "Literal[")  # types in schemas that get a name
CHOICE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_. -]{0,48}[A-Za-z0-9])?")

# What fields may need; ruff removes the imports that are not used.
TYPE_IMPORTS = """
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID
"""
COLUMN_IMPORTS = f"""{TYPE_IMPORTS}
from sqlalchemy import ForeignKey, Numeric, String, Text, UniqueConstraint
"""
SCHEMA_IMPORTS = f"""{TYPE_IMPORTS}
from pydantic import Field, FiniteFloat
from app.schemas.types import FixedPoint, Id, Int32, JsonObject, MultilineText, Patch
from app.schemas.types import SearchText, SingleLine, Timestamp
"""


class Filter(NamedTuple):
    """A query parameter of a field, whose column is compared to the value that is sent."""

    suffix: str
    operator: str
    compare: Callable[[int, int], bool]
    description: str


EQUAL = [Filter("", "==", operator.eq, "{}")]
RANGE = [
    Filter("_min", ">=", operator.ge, "Minimum {}"),
    Filter("_max", "<=", operator.le, "Maximum {}"),
]
DAYS = [
    Filter("_after", ">", operator.gt, "{} after this date"),
    Filter("_before", "<", operator.lt, "{} before this date"),
]
TIMES = [f._replace(description=f.description.replace("date", "time")) for f in DAYS]


class Kind(NamedTuple):
    """A type of field. Values are the code of JSON, of which the first one is sorted first."""

    python: str
    schema: str
    values: tuple[str, str]
    invalid: tuple[str, ...]
    column: str = ""  # arguments of `mapped_column`
    filters: list[Filter] = []  # noqa: RUF012 - never changed
    is_sortable: bool = True
    different: str = ""  # the code of a value that differs for each number, if it can be unique
    earlier: str = ""  # the code of a value that is sorted before both


DECIMAL = "Annotated[Decimal, FixedPoint(12, 2)]"
UUIDS = '"00000000-0000-4000-8000-000000000001"', '"00000000-0000-4000-8000-000000000002"'
LINE = Kind(
    "str",
    "Annotated[str, SingleLine(200)]",
    ('"Chair 100%"', '"Lamp"'),
    ('""', '"x" * 201', '"a\\0b"'),
    "String(200)",
    different='f"Chair {number}"',
)
TEXT = Kind(
    "str",
    "Annotated[str, MultilineText(10_000)]",
    ('"Red\\nand blue"', '"White"'),
    ('"\\0"', '"x" * 10_001'),
    "Text",
    is_sortable=False,
)
KINDS: Mapping[str, Kind] = {
    "str": LINE,
    "text": TEXT,
    "int": Kind("int", "Int32", ("1", "2"), ('"x"', "2**31"), filters=RANGE, different="number"),
    "float": Kind("float", "FiniteFloat", ("0.5", "2.5"), ('"x"',), filters=RANGE),
    "decimal": Kind(
        "Decimal", DECIMAL, ('"10.50"', '"20.00"'), ('"0.001"', '"1e10"'), "Numeric(12, 2)", RANGE
    ),
    "bool": Kind("bool", "bool", ("False", "True"), ('"maybe"',), "", EQUAL, is_sortable=False),
    "date": Kind(
        "date",
        "date",
        ('"2026-01-31"', '"2026-02-01"'),
        ('"x"',),
        filters=DAYS,
        different='f"{1900 + number}-01-31"',
        earlier='"2026-01-30"',
    ),
    "datetime": Kind(
        "datetime",
        "Timestamp",
        ('"2026-01-31T12:00:00Z"', '"2026-02-01T12:00:00Z"'),
        ('"x"',),
        filters=TIMES,
        earlier='"2026-01-31T11:59:59Z"',
    ),
    "uuid": Kind(
        "UUID",
        "UUID",
        UUIDS,
        ('"x"',),
        filters=EQUAL,
        is_sortable=False,
        different='f"00000000-0000-4000-9000-{number:012}"',
    ),
    "json": Kind("dict[str, Any]", "JsonObject", ('{"a": [1]}', "{}"), ('"x"',), is_sortable=False),
}


class Field(NamedTuple):
    """A field of a resource."""

    name: str
    kind: Kind
    is_optional: bool = False
    is_unique: bool = False
    parent: Names | None = None  # resource to which it refers
    is_parent_owned: bool = True

    @classmethod
    def parse(cls, text: str) -> "Field":
        """Parse a field such as `total:decimal`, `note:text?` or `order:ref(order)`.

        Raises:
            ResourceError: if it is none.
        """
        match = FIELD.fullmatch(text)
        if not match:
            message = f"{text!r} is no field: write name:type, name:type? or name:type:unique"
            raise ResourceError(message)
        name, type_, choices, unique, optional = match.groups()
        if check_name(name) in RESERVED or name.startswith("model_"):
            message = f"Every resource has a name {name!r} already; choose another for the field."
            raise ResourceError(message)
        if name in TYPES:
            message = f"{name!r} is the name of a type; choose another for the field."
            raise ResourceError(message)
        if type_ == "ref":
            parent = Names.parse(*[part.strip() for part in (choices or name).split(",")][:2])
            value = f'Reference("{parent.singular}_id")'
            kind = Kind("int", "Id", (value, value), ("0",), "", EQUAL, is_sortable=False)
            name = f"{name}_id"
        else:
            parent, kind = None, _kind(type_, choices)
        if unique and not kind.different:
            message = f"{text!r} cannot be unique; str, int, date and uuid can."
            raise ResourceError(message)
        return cls(name, kind, bool(optional), bool(unique), parent)

    @property
    def schema(self) -> str:
        """Type in the schemas: an alias of one that has rules or lists its values."""
        if not self.kind.schema.startswith(ALIASED):
            return self.kind.schema
        is_imported = re.search(rf"\b{camel(self.name)}\b", SCHEMA_IMPORTS)
        return camel(self.name) + ("Value" if is_imported else "")

    @property
    def alias(self) -> str:
        """Definition of the alias, or ""."""
        return "" if self.schema == self.kind.schema else f"{self.schema} = {self.kind.schema}"

    @property
    def result(self) -> str:
        """Type in responses, whose values need no rules."""
        return self.schema if self.kind.schema == self.kind.python else self.kind.python

    def typed(self, type_: str) -> str:
        """Return the declaration of the field with a type, or null if it is optional."""
        return f"{self.name}: {type_} | None" if self.is_optional else f"{self.name}: {type_}"

    def column(self) -> str:
        """Return the attribute of the model."""
        index = "index=True" if self.kind.is_sortable or self.parent else ""
        type_of_column = self._foreign_key(self.parent) if self.parent else self.kind.column
        arguments = ", ".join(filter(None, [type_of_column, index]))
        name, type_ = self.typed(self.kind.python).split(": ", 1)
        return f"{name}: Mapped[{type_}]" + (f" = mapped_column({arguments})" if arguments else "")

    def _foreign_key(self, parent: Names) -> str:
        """Return the foreign key: rows go with the object that their owner deletes."""
        required = "CASCADE" if self.is_parent_owned else "RESTRICT"
        on_delete = "SET NULL" if self.is_optional else required
        return f'ForeignKey("{parent.plural}.id", ondelete="{on_delete}")'

    def change(self) -> str:
        """Return the field of a PATCH body: one that is optional can be removed with null."""
        required = f"{self.name}: Patch[{self.schema}]"
        return f"{self.typed(self.schema) if self.is_optional else required} = None"

    def values(self) -> tuple[str, str]:
        """Return two values, of which the second is null if the field is optional."""
        first, second = self.kind.values
        return first, "None" if self.is_optional else second


def _kind(name: str, choices: str | None) -> Kind:
    values = [choice.strip() for choice in (choices or "").split(",")]
    if name in KINDS and choices is None:
        return KINDS[name]
    if name == "enum" and all(map(CHOICE.fullmatch, values)) and len(set(values)) > 1:
        literal = f"Literal[{', '.join(map(repr, values))}]"
        both = repr(values[0]), repr(values[1])
        return Kind(literal, literal, both, ('"?"',), "", EQUAL, is_sortable=False)
    message = (
        f"{name!r} is no type of a field: write {', '.join(KINDS)}, ref(order), or enum(open,paid) "
        "with two values or more, of letters, digits, spaces and _ . -; then :unique, then ?"
    )
    raise ResourceError(message)


class Resource(NamedTuple):
    """A new resource."""

    names: Names
    fields: list[Field]
    is_owned: bool = True  # by the user who creates it; otherwise everyone's

    @property
    def references(self) -> list[tuple[Field, Names]]:
        """Fields that refer to a resource, and that."""
        return [(field, field.parent) for field in self.fields if field.parent]

    @property
    def parents(self) -> list[Names]:
        """Resources to which fields refer."""
        return list(dict.fromkeys(parent for _, parent in self.references))

    @property
    def has_owned_parent(self) -> bool:
        """Whether users own what a field refers to."""
        return any(field.is_parent_owned for field, _ in self.references)

    @property
    def unique(self) -> list[Field]:
        """Fields whose values are unique, for each owner if there is one."""
        return [field for field in self.fields if field.is_unique]


def reject_ambiguous(fields: list[Field], resource: str) -> None:
    """Reject fields whose names, filters or types would be those of others.

    Raises:
        ResourceError: with the name.
    """
    names = [field.name for field in fields]
    names += [f"{field.name}{f.suffix}" for field in fields for f in field.kind.filters if f.suffix]
    aliases = [field.schema for field in fields if field.alias]
    schemas = [
        f"{camel(resource)}{suffix}" for suffix in ("", "Create", "Update", "Read", "Filters")
    ]
    taken = [*COMMON, *names, *aliases, *schemas, "Filters", "ReadSchema", "WriteSchema"]
    for name in (*names, *aliases):
        if taken.count(name) > 1:
            message = f"{name!r} would mean two things: choose another name for a field."
            raise ResourceError(message)


def sorts(fields: list[Field]) -> list[str]:
    """Return the names of the fields that lists are sorted by."""
    return [field.name for field in fields if field.kind.is_sortable]


def parameters(fields: list[Field]) -> list[str]:
    """Return the query parameters of a list."""
    found = [
        f"{field.name}{f.suffix}: {field.schema} | None = Field(None, description="
        f"{f.description.format(field.name.replace('_', ' ')).capitalize()!r})"
        for field in fields
        for f in field.kind.filters
    ]
    texts = " or ".join(field.name.replace("_", " ") for field in _searched(fields))
    order = [f"{sign}{name}" for name in ("id", *sorts(fields), "created_at") for sign in ("", "-")]
    search = f"q: SearchText | None = Field(None, description='Text that the {texts} contains')"
    sort = f"sort: Literal{order} = Field('id', description='Order: a field, or `-field`')"
    return [*([search] if texts else []), *found, sort]


def query_names(fields: list[Field]) -> list[str]:
    """Return the names of the query parameters of a list."""
    return [parameter.partition(":")[0] for parameter in parameters(fields)]


def conditions(fields: list[Field], model: str) -> list[str]:
    """Return the rows of the table of conditions."""
    found = [
        f'"{field.name}{f.suffix}": lambda value: {model}.{field.name} {f.operator} value'
        for field in fields
        for f in field.kind.filters
    ]
    texts = [f"{model}.{f.name}.icontains(text, autoescape=True)" for f in _searched(fields)]
    search = texts[0] if len(texts) == 1 else f"or_({', '.join(texts)})"
    return [f'"q": lambda text: {search}', *found] if texts else found


def test_data(fields: list[Field]) -> dict[str, str]:
    """Return the code of the constants of the tests."""
    selections = [
        _selection(field, f) for field in fields for f in field.kind.filters if not field.parent
    ]
    searches = [*_SEARCHES] if _searched(fields) else []
    nulls = [_row(field.name, "None") for field in fields if not field.is_optional]
    invalid = [_row(field.name, value) for field in fields for value in field.kind.invalid]
    return {
        "BODY": bodies(fields)[0],
        "OTHER_BODY": bodies(fields)[1],
        "INVALID": f"[{', '.join([*nulls, *invalid])}]",
        "REQUIRED": repr([field.name for field in fields if not field.is_optional]),
        "SORTS": repr(sorts(fields)),
        "FILTERS": f"[{', '.join([*searches, *selections])}]",
        "INVALID_FILTERS": '[{"q": "a\\0b"}, {"q": "x" * 201}]' if searches else "[]",
    }


def _selection(field: Field, query: Filter) -> str:
    """Return a query parameter that selects one of the two bodies, and which one."""
    first, second = field.kind.values
    numbers = [0] if field.is_optional else [0, 1]  # of the bodies that have a value
    sent = {0: first, 1: second, -1: field.kind.earlier}
    selected = {
        value: [n for n in numbers if query.compare(n, rank)] for rank, value in sent.items()
    }
    value = next(value for value, found in selected.items() if len(found) == 1)
    return f"({_row(field.name + query.suffix, value)}, {selected[value]})"


_SEARCHES = '({"q": "CHAIR"}, [0])', '({"q": "%"}, [0])', '({"q": "_"}, [])'


def required_body(fields: list[Field]) -> str:
    """Return the smallest valid body, with functions for unique values."""
    rows = [
        f'"{field.name}": '
        + (f"lambda number: {field.kind.different}" if field.is_unique else field.values()[0])
        for field in fields
        if not field.is_optional
    ]
    return "{" + ", ".join(rows) + "}"


def bodies(fields: list[Field]) -> list[str]:
    """Return two bodies; those of the fields that are sorted by are in this order."""
    rows = [[f'"{field.name}": {value}' for value in field.values()] for field in fields]
    return ["{" + ", ".join(body) + "}" for body in zip(*rows, strict=True)]


def _row(name: str, value: str) -> str:
    return '{"' + name + '": ' + value + "}"


def _searched(fields: list[Field]) -> list[Field]:
    return [field for field in fields if field.kind is LINE]
