"""Loads the CSV files into the database, once: again only where the files have changed, and never twice at a time.

Two nodes that start together agree: Postgres serialises them by an advisory lock, SQLite by its write
lock (`BEGIN IMMEDIATE`); the second finds the first one's digest. Everything is one transaction.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

from loguru import logger
from sqlalchemy import Connection, delete, func, insert, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools.builtin.sales.cleaning import cleaned
from tools.builtin.sales.database import exclusively
from tools.builtin.sales.tables import DATA_TABLES, accounts, dataset, metadata, products, sales_pipeline, sales_teams

DATA_FOLDER: Final = Path(__file__).parent / "data"

_FORMAT: Final = b"2"
"""Part of the digest: change it where the tables or the cleaning change, and every database is loaded anew."""

Row = dict[str, Any]


async def load_sales(engine: AsyncEngine, folder: Path = DATA_FOLDER) -> bool:
    """Load the files of `folder` unless the database holds them; gives whether it loaded (about 1 s).

    Tables of these names that somebody else filled are left as they are.
    """
    digest = await asyncio.to_thread(_digest, folder)
    async with exclusively(engine) as connection:
        if await connection.run_sync(_is_somebody_elses):
            logger.warning("sales.own_data_kept")
            return False
        await connection.run_sync(metadata.create_all)
        loaded = await connection.scalar(select(dataset.c.digest))
        if loaded == digest:
            return False
        if loaded is None and await _holds_rows(connection):
            logger.warning("sales.own_data_kept")
            return False
        await _replace(connection, await asyncio.to_thread(_read, folder), digest)
    logger.info("sales.loaded", opportunities=await _count(engine))
    return True


async def holds_demo(engine: AsyncEngine) -> bool:
    """Whether the database holds the files' data, loaded by `load_sales`."""
    async with engine.connect() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table(dataset.name)):
            return False
        return await connection.scalar(select(dataset.c.digest)) is not None


def _is_somebody_elses(connection: Connection) -> bool:
    """Whether the sales table is there without our mark's table: nothing may be made in such a database."""
    tables = inspect(connection)
    return tables.has_table(sales_pipeline.name) and not tables.has_table(dataset.name)


async def _holds_rows(connection: AsyncConnection) -> bool:
    """Whether a table has rows: without our mark they are the operator's own data."""
    for table in DATA_TABLES:
        if await connection.scalar(select(func.count()).select_from(table)):
            return True
    return False


async def _replace(connection: AsyncConnection, rows: dict[str, list[Row]], digest: str) -> None:
    for table in (dataset, *DATA_TABLES):
        await connection.execute(delete(table))
    for table in DATA_TABLES:
        await connection.execute(insert(table), rows[table.name])
    marker = {"digest": digest, "opportunities": len(rows[sales_pipeline.name])}
    await connection.execute(insert(dataset), marker)


async def _count(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return await connection.scalar(select(dataset.c.opportunities)) or 0


def _digest(folder: Path) -> str:
    sha256 = hashlib.sha256(_FORMAT)
    for table in DATA_TABLES:
        sha256.update((folder / f"{table.name}.csv").read_bytes())
    return sha256.hexdigest()


def _read(folder: Path) -> dict[str, list[Row]]:
    readers: dict[str, Callable[[Row], Row]] = {
        accounts.name: _account,
        products.name: _product,
        sales_teams.name: _agent,
        sales_pipeline.name: _opportunity,
    }
    result: dict[str, list[Row]] = {}
    for name, clean in readers.items():
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            result[name] = [clean({key: value or None for key, value in row.items()}) for row in csv.DictReader(file)]
    return result


def _account(row: Row) -> Row:
    return {
        **row,
        "year_established": int(row["year_established"]),
        "revenue": float(row["revenue"]),
        "employees": int(row["employees"]),
        "sector": cleaned("sector", row["sector"]),
        "sector_raw": row["sector"],
        "office_location": cleaned("office_location", row["office_location"]),
        "office_location_raw": row["office_location"],
    }


def _product(row: Row) -> Row:
    return {**row, "product": cleaned("product", row["product"]), "sales_price": float(row["sales_price"])}


def _agent(row: Row) -> Row:
    return row


def _opportunity(row: Row) -> Row:
    return {
        **row,
        "product": cleaned("product", row["product"]),
        "product_raw": row["product"],
        "engage_date": _date(row["engage_date"]),
        "close_date": _date(row["close_date"]),
        "close_value": None if row["close_value"] is None else float(row["close_value"]),
    }


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
