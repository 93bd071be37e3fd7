"""What the messages of a request hold: the user's words, this turn's tool results, the thread before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from agent.providers.offline.periods import Days
from agent.providers.offline.question import ALL_ROWS, SalesQuestion
from agent.providers.offline.reading import NameMatch
from agent.providers.offline.thread import Previous
from core.messages import AssistantMessage, ModelMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest, ToolSpec

QUERY: Final = "sales_query"
FIND: Final = "sales_find"
MARKET: Final = "market"
CREATE: Final = "create_follow_up"
PROBE: Final[dict[str, Any]] = {"metrics": ["opportunities"], "period": "today"}
"""A call whose only purpose is to learn the reference date."""
_TODAY: Final = re.compile(r"(?:today|reference[ _]date|hoje|as of)\D{0,40}?(\d{4}-\d{2}-\d{2})", re.IGNORECASE)


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call with what came back; `data` is None where it failed or could not be read."""

    name: str
    arguments: dict[str, Any]
    failed: bool
    content: str
    data: dict[str, Any] | None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A request, sorted."""

    texts: tuple[str, ...]
    """What the user said, oldest first; the last one is to be answered."""
    replies: tuple[str, ...]
    """What was answered to each of the texts before the last one; empty where nothing was."""
    answered: tuple[Answered, ...]
    """The calls of this turn."""
    previous: Previous | None
    today: date | None
    offered: bool
    """Whether the turn before ended without asking the data: a "yes" may take up what it offered."""
    tools: frozenset[str]

    def call(self, name: str, arguments: dict[str, Any] | None = None) -> Answered | None:
        """Give this turn's call of a tool (with these arguments, where given), or None."""
        for each in self.answered:
            if each.name == name and arguments in (None, each.arguments):
                return each
        return None

    @property
    def matches(self) -> tuple[NameMatch, ...]:
        """Names that `sales_find` saw in this turn's text."""
        return self._names_in(self.call(FIND))

    def matches_in(self, arguments: dict[str, Any]) -> tuple[NameMatch, ...]:
        """Names that `sales_find` saw in a text that it was asked about with these arguments."""
        return self._names_in(self.call(FIND, arguments))

    @staticmethod
    def _names_in(found: Answered | None) -> tuple[NameMatch, ...]:
        listed = (found.data or {}).get("matches", []) if found else []
        return tuple(_matches(listed))


def sort_out(request: ModelRequest) -> Conversation:
    """Read what a request's messages hold."""
    messages = request.messages
    latest = max((at for at, each in enumerate(messages) if isinstance(each, UserMessage)), default=-1)
    answered = tuple(_answered(messages[latest + 1 :]))
    before = tuple(_answered(messages[: max(latest, 0)]))
    return Conversation(
        texts=tuple(each.content for each in messages if isinstance(each, UserMessage)),
        replies=tuple(_replies(messages)),
        answered=answered,
        previous=_previous(before),
        today=_today((*before, *answered), request.tools),
        offered=_offered(messages[: max(latest, 0)]),
        tools=frozenset(each.name for each in request.tools),
    )


def _offered(messages: Sequence[ModelMessage]) -> bool:
    last = max((at for at, each in enumerate(messages) if isinstance(each, UserMessage)), default=-1)
    asked = (each for each in _answered(messages[max(last, 0) :]) if each.name == QUERY and each.arguments != PROBE)
    return last >= 0 and not any(asked)


def _replies(messages: Sequence[ModelMessage]) -> Iterator[str]:
    """The last thing said before each user's message but the first."""
    reply: str | None = None
    for message in messages:
        if isinstance(message, UserMessage):
            if reply is not None:
                yield reply
            reply = ""
        elif isinstance(message, AssistantMessage):
            reply = message.content


def question_of(arguments: dict[str, Any]) -> SalesQuestion | None:
    """Read a question back from the arguments of a call, whoever made it; None where they do not fit."""
    try:
        question = msgspec.convert(arguments, SalesQuestion, strict=False)
    except msgspec.ValidationError:
        return None
    if not question.metrics:
        return None
    if question.limit != ALL_ROWS:
        return question
    return msgspec.structs.replace(question, limit=None, shape="count" if question.empty == "hide" else "names")


def days_in(period: Any) -> Days | None:
    """Read the days of a period as results name it; None for all time."""
    if not isinstance(period, dict):
        return None
    try:
        return Days(date.fromisoformat(period["from"]), date.fromisoformat(period["to"]))
    except (KeyError, TypeError, ValueError):
        return None


def _answered(messages: Sequence[ModelMessage]) -> Iterator[Answered]:
    calls: dict[str, ToolCall] = {}
    for message in messages:
        match message:
            case AssistantMessage(tool_calls=asked):
                calls.update({call.call_id: call for call in asked})
            case ToolMessage() if message.call_id in calls:
                call = calls[message.call_id]
                data = None if message.failed else _decoded(message.content)
                arguments = _decoded(call.arguments) or {}
                yield Answered(
                    name=call.name, arguments=arguments, failed=message.failed, content=message.content, data=data
                )
            case _:
                pass


def _decoded(text: str) -> dict[str, Any] | None:
    """The JSON object of a text; a note in brackets may follow it."""
    try:
        value = msgspec.json.decode(text.partition("\n\n[")[0])
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, dict) else None


def _previous(answered: Sequence[Answered]) -> Previous | None:
    for each in reversed(answered):
        if each.name != QUERY or each.data is None or each.arguments == PROBE:
            continue
        question = question_of(each.arguments)
        if question is not None:
            return Previous(question=question, days=days_in(each.data.get("period")), rows=tuple(rows_of(each.data)))
    return None


def rows_of(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the rows of a result that are objects."""
    rows = data.get("rows")
    return (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else iter(())


def _today(answered: Sequence[Answered], tools: Sequence[ToolSpec]) -> date | None:
    """Find the reference date: in results, else in what the sales tool says of itself."""
    said = [str((each.data or {}).get("reference_date", "")) for each in reversed(answered)]
    described = (_TODAY.search(tool.description) for tool in tools if tool.name == QUERY)
    for text in (*said, *(match.group(1) for match in described if match)):
        try:
            return date.fromisoformat(text)
        except ValueError:
            continue
    return None


def _matches(listed: Any) -> Iterator[NameMatch]:
    for each in listed if isinstance(listed, list) else ():
        try:
            yield msgspec.convert(each, NameMatch, strict=False)
        except msgspec.ValidationError:
            continue
