"""The tool `create_follow_up`: a reminder to get back to a customer, one row beside the sales data.

Its effect is `once`: nothing here looks for an equal row, so a call that were run twice would be two rows. Not calling
it twice is the runner's promise, and the rows are how it can be counted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy import Column, Date, DateTime, Integer, MetaData, String, Table, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.clock import Clock
from core.errors import ToolError
from core.ports import ToolContext, ToolOutcome
from tools.builtin.sales.database import exclusively
from tools.builtin.sales.source import SalesSource
from tools.builtin.sales.texts import follow_up_summary, language_of
from tools.decorator import tool

LONGEST_NOTE: Final = 1_000

_metadata: Final = MetaData()
"""Apart from that of the sales tables: the loader makes and empties those, and `sales_sql` may read only those."""

follow_ups: Final = Table(
    "follow_ups",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String, nullable=False),
    Column("note", String, nullable=False),
    Column("due_date", Date, nullable=False),
    Column("tenant", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("session_id", String, nullable=False),
    Column("turn_id", String, nullable=False, index=True),
    Column("call_id", String, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, comment="UTC"),
)


class FollowUps:
    """Writes follow-ups; the table is made by the first one."""

    def __init__(self, engine: AsyncEngine, source: SalesSource, today: Callable[[], date], clock: Clock) -> None:
        self._engine, self._source = engine, source
        self._today, self._clock = today, clock
        self._table_made = False

    @tool(
        title="Create a follow-up",
        titles={"pt": "Criar follow-up", "es": "Crear seguimiento"},
        effect="once",
        timeout_s=15.0,
    )
    async def create_follow_up(
        self,
        context: ToolContext,
        account: Annotated[str, msgspec.Meta(min_length=1, max_length=200)],
        note: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NOTE)],
        due_date: str,
    ) -> ToolOutcome:
        """Create a follow-up for a customer: what is to be done, and by when.

        Call it only where the user asks for it, once for each follow-up; ask for what is missing instead of guessing.
        It cannot be changed or deleted afterwards.

        Args:
            context: Who asks.
            account: The customer's name, as the data knows it.
            note: What is to be done, in the user's words, 1 to 1000 characters.
            due_date: The day by which, YYYY-MM-DD, today or later.
        """
        today = self._today()
        due = _due(due_date, today)
        text = note.strip()
        if not text:
            raise ToolError("note is blank: say what is to be done.", code="invalid_request")
        names = await self._source.names()
        customer = names.resolve("account", [account])[0]
        row = {
            "account": customer,
            "note": text,
            "due_date": due,
            "tenant": context.tenant,
            "user_id": context.user_id,
            "session_id": context.session_id,
            "turn_id": context.turn_id,
            "call_id": context.call_id,
            "created_at": datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC),
        }
        result = {
            "follow_up_id": await self._insert(row),
            "account": customer,
            "note": text,
            "due_date": due.isoformat(),
            "reference_date": today.isoformat(),
        }
        return ToolOutcome(
            content=msgspec.json.encode(result).decode(),
            summary=follow_up_summary(str(customer), due, language_of(context.locale)),
            result=result,
        )

    async def _insert(self, row: dict[str, Any]) -> int:
        """Write the row; gives its id. Raises ToolError, which says whether the row may be there all the same."""
        try:
            await self._make_table()
            connection = await self._engine.connect().start()
        except (SQLAlchemyError, OSError) as error:
            raise _not_created() from error
        try:
            return await _committed(connection, row)
        finally:
            await connection.close()

    async def _make_table(self) -> None:
        if self._table_made:
            return
        async with exclusively(self._engine) as connection:
            await connection.run_sync(_metadata.create_all)
        self._table_made = True


async def _committed(connection: AsyncConnection, row: dict[str, Any]) -> int:
    try:
        inserted = await connection.execute(insert(follow_ups).values(row).returning(follow_ups.c.id))
    except (SQLAlchemyError, OSError) as error:
        raise _not_created() from error
    try:
        await connection.commit()
    except (SQLAlchemyError, OSError) as error:
        raise ToolError(
            "The database broke off while it saved the follow-up: whether it is there is unknown. Do not create it "
            "again; tell the user."
        ) from error
    return int(inserted.scalar_one())


def _not_created() -> ToolError:
    return ToolError("The follow-up was not created: the database does not answer. Try again later.", retryable=True)


def _due(text: str, today: date) -> date:
    try:
        due = date.fromisoformat(text.strip())
    except ValueError as error:
        raise ToolError(
            f"due_date is {text[:40]!r}; expected a day as YYYY-MM-DD, such as {today.isoformat()}.",
            code="invalid_request",
        ) from error
    if due < today:
        raise ToolError(
            f"due_date {due.isoformat()} is in the past: today is {today.isoformat()}.", code="invalid_request"
        )
    return due
