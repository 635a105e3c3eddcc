"""Models: what all of them have in common."""

from typing import Any

import pytest
from sqlalchemy import Table, UniqueConstraint
from sqlalchemy.orm import Mapped, Mapper

from app.db.base import Base, IdMixin


@pytest.mark.parametrize("mapper", sorted(Base.registry.mappers, key=str), ids=str)
def test_sqlite_never_reuses_ids(mapper: Mapper[Any]) -> None:
    assert isinstance(mapper.local_table, Table)
    assert mapper.local_table.dialect_options["sqlite"]["autoincrement"]


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
