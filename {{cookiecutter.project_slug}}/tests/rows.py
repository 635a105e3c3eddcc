"""Example rows for every table of a database, by reflection: whichever migrations have run."""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Connection, Enum, MetaData, Table, func, insert, select
from sqlalchemy.exc import DBAPIError

# Rows of tables whose constraints the examples below do not meet: table, column, value.
ROWS: dict[str, dict[str, Any]] = {}
EXAMPLES: dict[type, Any] = {
    bool: True,
    bytes: b"x",
    date: date(2026, 1, 1),
    datetime: datetime(2026, 1, 1, tzinfo=UTC),
    Decimal: Decimal(1),
    dict: {},
    float: 1.0,
    int: 1,
    list: [],
    object: {},  # JSON
    str: "x",
    time: time(12),
    timedelta: timedelta(1),
    uuid.UUID: uuid.UUID(int=1),
}


def add_missing_rows(connection: Connection) -> None:
    """Insert a row into every table that has none; columns that may be null are null."""
    metadata = MetaData()
    metadata.reflect(connection)
    for table in metadata.sorted_tables:
        if table.name != "alembic_version" and not count_rows(connection, table):
            _insert(connection, table)


def count_rows(connection: Connection, table: Table) -> int:
    """Return the number of rows of a table."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _insert(connection: Connection, table: Table) -> None:
    examples = {
        column.name: _example(connection, column)
        for column in table.columns
        if _is_required(column)
    }
    try:
        connection.execute(insert(table).values(examples | ROWS.get(table.name, {})))
    except DBAPIError as error:
        message = f"tests/rows.py: add a row of the table {table.name} to ROWS"
        raise AssertionError(message) from error


def _is_required(column: Column[Any]) -> bool:
    is_generated = column.server_default is not None or column is column.table.autoincrement_column
    return not column.nullable and not is_generated


def _example(connection: Connection, column: Column[Any]) -> object:
    for key in column.foreign_keys:
        return connection.scalar(select(key.column).limit(1))
    if isinstance(column.type, Enum):
        return column.type.enums[0]
    return EXAMPLES.get(column.type.python_type)
