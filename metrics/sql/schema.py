"""The tables. `docs/data-model.md` draws them and a test holds the two together; migrations build them.

Decisions that hold everywhere:

- Ids are text (UUIDv7 with a prefix, made by `core.ids`).
- Money is integer micro-dollars (`*_microusd`): sums are exact.
- Time is integer Unix milliseconds, UTC by definition (`*_ms`): the same number as `ts` on the wire, the same in
  SQLite (which has no type for instants) and Postgres, with nothing to convert and no zone to get wrong.
- Every row can be traced to its tenant, and every query begins with it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.types import Boolean, TypeEngine

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_ROW_NUMBER: Final[TypeEngine[int]] = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only where the key's type is exactly INTEGER."""


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


tenants: Final = Table(
    "tenants",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("key_hash", Text, primary_key=True, comment="SHA-256 of the secret, in hex; the secret is kept nowhere"),
    Column("key_id", Text, nullable=False, unique=True),
    Column("tenant", Text, ForeignKey("tenants.tenant"), nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
)

users: Final = Table(
    "users",
    metadata,
    Column("tenant", Text, ForeignKey("tenants.tenant"), primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
)

erasures: Final = Table(
    "erasures",
    metadata,
    Column("tenant", Text, ForeignKey("tenants.tenant"), primary_key=True),
    Column("user_digest", Text, primary_key=True, comment="SHA-256 of tenant and user_id, in hex"),
    Column("erased_ms", BigInteger, nullable=False),
)
"""Who asked to be forgotten, so that a record that was still on its way is not written back; kept 30 days."""

sessions: Final = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("last_turn_ms", BigInteger, nullable=False),
    ForeignKeyConstraint(["tenant", "user_id"], ["users.tenant", "users.user_id"]),
    Index(None, "tenant", "user_id"),
)

turns: Final = Table(
    "turns",
    metadata,
    Column("turn_id", Text, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.tenant"), nullable=False),
    Column("session_id", Text, ForeignKey("sessions.session_id", ondelete="SET NULL"), index=True),
    Column("user_id", Text, comment="null: the user was erased; the numbers stay"),
    Column("channel", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("code", Text),
    Column("provider", Text),
    Column("model", Text),
    _count("input_tokens"),
    _count("output_tokens"),
    _count("cached_tokens"),
    _count("reasoning_tokens"),
    _count("total_tokens"),
    _count("cost_microusd"),
    _count("estimated_microusd"),
    Column("ttft_ms", BigInteger),
    Column("duration_ms", BigInteger, nullable=False),
    Column("accepted_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("context_size", Integer, nullable=False),
    Column("route", Text, comment="why these models: caller, flag:model, experiment:..., policy:..., agent, default"),
    Column("experiment", Text),
    Column("variant", Text),
    Column("cache", Text, comment="hit, near (a question in other words) or miss; null: not looked for"),
    _count("saved_microusd"),
    Column("retry_of", Text, index=True),
    Column("answer_id", Text, comment="the assistant's message, else the turn itself; null: it never began"),
    Column("trace_id", Text),
    CheckConstraint("outcome IN ('completed', 'failed', 'cancelled')", name="outcome"),
    Index(None, "tenant", "ended_ms"),
    Index(None, "tenant", "user_id", "ended_ms"),
)

messages: Final = Table(
    "messages",
    metadata,
    Column("position", _ROW_NUMBER, primary_key=True, autoincrement=True),
    Column("message_id", Text, nullable=False, unique=True),
    Column("session_id", Text, ForeignKey("sessions.session_id", ondelete="CASCADE"), nullable=False),
    Column("turn_id", Text, ForeignKey("turns.turn_id"), nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("text", Text, nullable=False, comment="the words"),
    Column("parts", JSON(none_as_null=True), comment="the content's parts, where it is not only words"),
    Column("channel", Text, nullable=False),
    Column("ts_ms", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("re", Text, comment="the sender's cid"),
    Column("replaced_by", Text),
    Column("delivery", JSON(none_as_null=True)),
    Column("sources", JSON(none_as_null=True)),
    CheckConstraint("role IN ('user', 'assistant', 'operator')", name="role"),
    Index(None, "session_id", "ts_ms", "position"),
)

steps: Final = Table(
    "steps",
    metadata,
    Column("turn_id", Text, ForeignKey("turns.turn_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False, comment="the order in the turn, from 0"),
    Column("step", Integer, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    _count("input_tokens"),
    _count("output_tokens"),
    _count("cached_tokens"),
    _count("reasoning_tokens"),
    _count("total_tokens"),
    _count("cost_microusd"),
    Column("duration_ms", BigInteger, nullable=False),
    Column("ttft_ms", BigInteger),
    Column("finish_reason", Text, nullable=False),
    Column("estimated", Boolean, nullable=False, server_default=false()),
    Column("priced", Boolean, nullable=False, server_default=true()),
)

tool_calls: Final = Table(
    "tool_calls",
    metadata,
    Column("turn_id", Text, ForeignKey("turns.turn_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False, comment="the order in the turn, from 0"),
    Column("call_id", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("failed", Boolean, nullable=False, server_default=false()),
    Column("code", Text),
    Column("duration_ms", BigInteger, nullable=False),
)

feedback: Final = Table(
    "feedback",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.session_id", ondelete="CASCADE"), primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("by", Text, primary_key=True, comment="the principal: the user, or the service's key"),
    Column("tenant", Text, ForeignKey("tenants.tenant"), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("score", Integer, nullable=False),
    Column("comment", Text),
    Column("ts_ms", BigInteger, nullable=False),
    CheckConstraint("score IN (-1, 1)", name="score"),
    Index(None, "tenant", "user_id"),
)
"""A verdict may arrive before the turn that it is about is on the books, so `message_id` is not a foreign key."""

flags: Final = Table(
    "flags",
    metadata,
    Column("scope", Text, primary_key=True, comment="a tenant; *: all of them"),
    Column("key", Text, primary_key=True),
    Column("version", BigInteger, nullable=False, comment="greater with each change"),
    Column("value", JSON(none_as_null=True), comment="null: none of its own"),
    Column("rules", JSON(none_as_null=True), nullable=False),
    Column("description", Text, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
)
"""The flags as they are; one that was taken back stays, so that an older state of Redis cannot bring it again."""

audit: Final = Table(
    "audit",
    metadata,
    Column("position", _ROW_NUMBER, primary_key=True, autoincrement=True),
    Column("scope", Text, nullable=False, comment="whose: a tenant; *: all of them"),
    Column("subject", Text, nullable=False, comment="what: the flag's key"),
    Column("version", BigInteger, nullable=False, comment="which the change made"),
    Column("tenant", Text, nullable=False, comment="who: the tenant of the key"),
    Column("by", Text, nullable=False, comment="who: the key's name"),
    Column("ts_ms", BigInteger, nullable=False),
    Column("before", JSON(none_as_null=True), comment="null: it was not there"),
    Column("after", JSON(none_as_null=True), nullable=False),
    UniqueConstraint("scope", "subject", "version"),
    Index(None, "scope", "ts_ms"),
)
"""Who changed what: rows are only ever added."""
