"""Declarative base and mixins: constraint names, types of columns, ids and timestamps."""

from datetime import UTC, datetime
from enum import Enum as PythonEnum
from typing import Any, Literal, cast

from sqlalchemy import JSON, DateTime, Dialect, Enum, MetaData, Table, TypeDecorator, func, inspect
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column


def utc_now() -> datetime:
    """Return the current time in UTC, with time zone."""
    return datetime.now(UTC)


class UTCDateTime(TypeDecorator[datetime]):
    """Timestamp in UTC with time zone, also on SQLite, which does not store time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """Type of the values."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Convert to UTC."""
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Add the time zone."""
        return value and value.replace(tzinfo=UTC)


def _values(enum: type[PythonEnum]) -> list[str]:
    """Return the values of an enum, as they are stored."""
    return [str(member.value) for member in enum]


class Base(DeclarativeBase):
    """Base of all models. Constraints have the same names on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it once
        datetime: DateTime(timezone=True).with_variant(UTCDateTime(), "sqlite"),
        # Values as text: a type of PostgreSQL would need a migration for each new value.
        PythonEnum: Enum(PythonEnum, native_enum=False, length=50, values_callable=_values),
        Literal: Enum(PythonEnum, native_enum=False, length=50),
        dict[str, Any]: JSON,
        list[str]: JSON,
    }

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - passed on
        """Let SQLite never reuse ids, as PostgreSQL does."""
        super().__init_subclass__(**options)
        if isinstance(table := cls.__dict__.get("__table__"), Table):
            table.kwargs["sqlite_autoincrement"] = True


def columns(model: type[Base]) -> list[InstrumentedAttribute[Any]]:
    """Return the columns of a model: `select(*columns(Item))` returns rows instead of objects.

    Rows take less time, but have no properties, methods and relationships.
    """
    attributes = inspect(model).column_attrs
    return [getattr(model, attribute.key) for attribute in attributes if not attribute.deferred]


def table_of(model: type[Base]) -> Table:
    """Return the table of a model, for statements that need no objects.

    They take less time. Mapper events and loader criteria do not apply to them, pending changes are
    not flushed first, and objects in the session are not updated.
    """
    return cast("Table", model.__table__)


class IdMixin:
    """Integer primary key, never reused."""

    id: Mapped[int] = mapped_column(primary_key=True)


class TimestampMixin:
    """Times of creation and last change."""

    created_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now())
    updated_at: Mapped[datetime | None] = mapped_column(onupdate=utc_now)
