"""Models: what all of them have in common."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Table, UniqueConstraint
from sqlalchemy.orm import Mapped, Mapper

from app import schemas
from app.db.base import Base, IdMixin
from app.schemas.base import WriteSchema


@pytest.mark.parametrize("mapper", sorted(Base.registry.mappers, key=str), ids=str)
def test_sqlite_never_reuses_ids(mapper: Mapper[Any]) -> None:
    assert isinstance(mapper.local_table, Table)
    assert mapper.local_table.dialect_options["sqlite"]["autoincrement"]


def write_schemas(base: type[WriteSchema] = WriteSchema) -> Iterator[type[WriteSchema]]:
    """Yield the schemas of request bodies."""
    for schema in base.__subclasses__():
        yield schema
        yield from write_schemas(schema)


def text_fields() -> Iterator[tuple[type[WriteSchema], str, int]]:
    """Yield the fields of request bodies that are stored as text, with the length of the column.

    A schema belongs to the model whose name is the longest beginning of its own.
    """
    for module in Path(schemas.__path__[0]).glob("*.py"):
        import_module(f"{schemas.__name__}.{module.stem}")
    models = {mapper.class_.__name__: mapper for mapper in Base.registry.mappers}
    for schema in write_schemas():
        names = [name for name in models if re.match(rf"{name}(?![a-z])", schema.__name__)]
        model = max(names, key=len, default="")
        for column in models[model].columns if model else ():
            length = getattr(column.type, "length", None)
            if length and column.key in schema.model_fields:
                yield schema, column.key, length


@pytest.mark.parametrize(("schema", "name", "length"), list(text_fields()))
def test_text_of_a_request_fits_into_its_column(
    schema: type[WriteSchema], name: str, length: int
) -> None:
    """PostgreSQL rejects longer texts and NUL: a 500. Use `SingleLine` or `MultilineText`."""
    field = TypeAdapter(schema.model_fields[name].rebuild_annotation())
    for text in ("x" * (length + 1), "a\0b"):
        with pytest.raises(ValidationError):
            field.validate_python(text)


def test_model_may_be_abstract_and_may_have_constraints() -> None:
    class Named(IdMixin, Base):
        """A model without table."""

        __abstract__ = True

        name: Mapped[str]

    class Box(Named):
        """A model with a constraint, as in the manual of SQLAlchemy."""

        __tablename__ = "boxes"
        __table_args__ = (UniqueConstraint("name"),)

    try:
        assert not hasattr(Named, "__table__")
        assert hasattr(Box, "__table__")
        assert Base.metadata.tables["boxes"].kwargs["sqlite_autoincrement"]
    finally:
        Base.metadata.remove(Base.metadata.tables["boxes"])
