"""`INSERT ... ON CONFLICT` in the dialect of a connection: both dialects say it alike, SQLAlchemy has it twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from sqlalchemy import Column, ColumnElement, Table, case
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

InsertFor = Callable[[Table], sqlite.Insert]


def insert_for(connection: AsyncConnection) -> InsertFor:
    """Give the `insert` function of this connection's dialect."""
    if connection.dialect.name == "postgresql":
        return cast(InsertFor, postgresql.insert)  # the methods that we use are the same
    return sqlite.insert


def later(excluded: ColumnElement[int], kept: Column[int]) -> ColumnElement[int]:
    """The greater of the row that was there and the one that was to be inserted (portable `greatest`)."""
    return case((excluded > kept, excluded), else_=kept)
