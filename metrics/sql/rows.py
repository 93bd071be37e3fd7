"""Between the structs of `core` and rows of the schema, both ways. Pure: no connection here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar, cast

import msgspec

from core.messages import Content, Message, Part, Source, content_text
from core.models import Usage
from core.ports import CacheStats
from core.turns import FeedbackRecord, StepUse, ToolUse, TurnRecord

Row = Mapping[str, Any]
Struct = TypeVar("Struct", bound=msgspec.Struct)

_SAME_IN_TURNS = (
    "turn_id", "tenant", "session_id", "user_id", "channel", "agent", "outcome", "code", "provider", "model",
    "cost_microusd", "ttft_ms", "duration_ms", "accepted_ms", "ended_ms", "attempts", "context_size", "retry_of",
    "route", "experiment", "variant", "cache", "saved_microusd", "trace_id",
)  # fmt: skip
_LOOKED_UP = ("hit", "near", "miss")
_SAME_IN_STEPS = (
    "step", "provider", "model", "cost_microusd", "duration_ms", "ttft_ms", "finish_reason", "estimated", "priced",
)  # fmt: skip
_SAME_IN_TOOL_CALLS = ("call_id", "step", "name", "failed", "code", "duration_ms")
_same_in_turns, _same_in_steps = attrgetter(*_SAME_IN_TURNS), attrgetter(*_SAME_IN_STEPS)
_TOKEN_COLUMNS = tuple((name, f"{name}_tokens") for name in Usage.__struct_fields__)
_PERSONAL = ("user_id", "session_id", "retry_of", "answer_id", "trace_id")
"""Columns of `turns` that lead to a person; an erasure empties them."""

PERSONAL_IN_TURNS: Mapping[str, None] = dict.fromkeys(_PERSONAL)


def user_digest(tenant: str, user_id: str) -> str:
    """What an erasure remembers instead of the user."""
    return hashlib.sha256(f"{tenant}\0{user_id}".encode()).hexdigest()


def tenant_rows(pairs: Iterable[tuple[str, int]]) -> list[Row]:
    """Rows of `tenants` from (tenant, ms): the first time of each, in the order of their names."""
    first: dict[str, int] = {}
    for tenant, at_ms in pairs:
        first[tenant] = min(at_ms, first.get(tenant, at_ms))
    return [{"tenant": tenant, "created_ms": first[tenant]} for tenant in sorted(first)]


def span_rows(keyed: Iterable[tuple[tuple[str, ...], int]], columns: Sequence[str]) -> list[Row]:
    """One row a key with its first and last time; `columns` name the key's parts and the two times.

    Sorted by key, so that two nodes that write the same rows lock them in the same order.
    """
    spans: dict[tuple[str, ...], tuple[int, int]] = {}
    for key, at_ms in keyed:
        low, high = spans.get(key, (at_ms, at_ms))
        spans[key] = (min(low, at_ms), max(high, at_ms))
    return [dict(zip(columns, (*key, *spans[key]), strict=True)) for key in sorted(spans)]


def turn_row(record: TurnRecord) -> Row:
    """The row of a turn."""
    row = dict(zip(_SAME_IN_TURNS, _same_in_turns(record), strict=True))
    row |= _token_columns(record.usage)
    row["answer_id"] = answer_id(record)
    row["estimated_microusd"] = sum(step.cost_microusd for step in record.steps if step.estimated)
    return _clean(row)


def answer_id(record: TurnRecord) -> str | None:
    """What stands for the turn's answer: its assistant's message, else the turn; None where it never began.

    A turn that was cancelled while it waited said nothing and ran nothing: it takes no other answer's place.
    """
    for message in record.messages:
        if message.role == "assistant":
            return message.message_id
    return None if record.outcome == "cancelled" and not record.steps else record.turn_id


def cache_stats(looked_up: Iterable[Row]) -> CacheStats:
    """The cache's figures, of rows (cache, turns, saved_microusd)."""
    by_result = {row["cache"]: row for row in looked_up}
    same, near, misses = (int(by_result[name]["turns"]) if name in by_result else 0 for name in _LOOKED_UP)
    hits = same + near
    return CacheStats(
        hits=hits,
        near=near,
        misses=misses,
        hit_rate=hits / (hits + misses) if hits + misses else None,
        saved_microusd=sum(int(by_result[name]["saved_microusd"]) for name in ("hit", "near") if name in by_result),
    )


def step_rows(record: TurnRecord) -> list[Row]:
    """The rows of a turn's model calls."""
    return [
        _clean(
            {
                "turn_id": record.turn_id,
                "position": position,
                **dict(zip(_SAME_IN_STEPS, _same_in_steps(step), strict=True)),
                **_token_columns(step.usage),
            }
        )
        for position, step in enumerate(record.steps)
    ]


def tool_call_rows(record: TurnRecord) -> list[Row]:
    """The rows of a turn's tool calls."""
    return [
        _clean(
            {
                "turn_id": record.turn_id,
                "position": position,
                **{name: getattr(tool, name) for name in _SAME_IN_TOOL_CALLS},
            }
        )
        for position, tool in enumerate(record.tools)
    ]


def message_rows(record: TurnRecord) -> list[Row]:
    """The rows of a turn's messages, in the turn's order."""
    return [
        _clean(
            {
                "message_id": message.message_id,
                "session_id": record.session_id,
                "turn_id": record.turn_id,
                "role": message.role,
                "text": content_text(message.content),
                "parts": None if isinstance(message.content, str) else msgspec.to_builtins(message.content),
                "channel": message.channel,
                "ts_ms": message.ts,
                "status": message.status,
                "re": message.re,
                "replaced_by": message.replaced_by,
                "delivery": message.delivery,
                "sources": None if message.sources is None else msgspec.to_builtins(message.sources),
            }
        )
        for message in record.messages
    ]


def feedback_row(record: FeedbackRecord) -> Row:
    """The row of a verdict."""
    names = ("session_id", "message_id", "by", "tenant", "user_id", "score", "comment")
    return _clean({**{name: getattr(record, name) for name in names}, "ts_ms": record.ts})


def message_of(row: Row, verdict: Row | None = None) -> Message:
    """A message as history shows it."""
    content: Content = row["text"]
    if row["parts"] is not None:
        content = msgspec.convert(row["parts"], tuple[Part, ...])
    return Message(
        message_id=row["message_id"],
        turn_id=row["turn_id"],
        role=row["role"],
        content=content,
        channel=row["channel"],
        ts=row["ts_ms"],
        status=row["status"],
        re=row["re"],
        replaced_by=row["replaced_by"],
        delivery=row["delivery"],
        feedback=None if verdict is None else _verdict(verdict),
        sources=None if row["sources"] is None else msgspec.convert(row["sources"], tuple[Source, ...]),
    )


def turn_of(row: Row, steps: Sequence[Row], tools: Sequence[Row], messages: Sequence[Message]) -> TurnRecord:
    """A turn's record, put together again."""
    return TurnRecord(
        **{name: row[name] for name in _SAME_IN_TURNS},
        usage=usage_of(row),
        steps=tuple(StepUse(**{name: step[name] for name in _SAME_IN_STEPS}, usage=usage_of(step)) for step in steps),
        tools=tuple(ToolUse(**{name: tool[name] for name in _SAME_IN_TOOL_CALLS}) for tool in tools),
        messages=tuple(messages),
    )


def usage_of(row: Row) -> Usage:
    """The token columns of a row, or their sums (which Postgres gives as decimals, and null for no rows)."""
    return Usage(**{name: int(row[f"{name}_tokens"] or 0) for name in Usage.__struct_fields__})


def _token_columns(usage: Usage) -> dict[str, int]:
    return {column: getattr(usage, name) for name, column in _TOKEN_COLUMNS}


def _verdict(row: Row) -> dict[str, Any]:
    verdict: dict[str, Any] = {"score": row["score"]}
    if row["comment"] is not None:
        verdict["comment"] = row["comment"]
    return verdict


def _clean(row: dict[str, Any]) -> Row:
    """The row, with what can be stored in place of what cannot; most values can, and a turn has fifty of them."""
    for name, value in row.items():
        if isinstance(value, str):
            if not value.isascii() or "\0" in value:
                row[name] = _storable(value)
        elif isinstance(value, dict | list | tuple):
            row[name] = _storable(value)
    return row


def _storable(value: Any) -> Any:
    """Replace what no database keeps in text: NUL (Postgres refuses it) and lone surrogates (no UTF-8 for them)."""
    match value:
        case str():
            return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        case dict():
            return {cast(str, _storable(key)): _storable(item) for key, item in value.items()}
        case list() | tuple():
            return [_storable(item) for item in value]
        case _:
            return value
