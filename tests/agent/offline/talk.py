"""A conversation with the offline provider, its tool calls run by a registry as the runner runs them."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from agent.providers.offline import OfflineProvider
from agent.providers.offline.question import ALL_ROWS
from core.errors import ToolError
from core.ids import SequentialIds
from core.messages import AssistantMessage, ModelMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelEvent, ModelRequest, TextDelta, ToolCallReady, ToolSpec
from core.ports import ToolContext, Tools

MOST_STEPS = 6


class Reply(msgspec.Struct, frozen=True):
    """What a turn said and which tools it called."""

    text: str
    calls: tuple[ToolCall, ...]

    @property
    def queries(self) -> list[str]:
        """The calls of `sales_query`, each on a line of its own words; what only asks for the date is left out."""
        lines = [written(json.loads(call.arguments)) for call in self.calls if call.name == "sales_query"]
        return [line for line in lines if line != "opportunities in today"]


class Talk:
    """One session: keeps the messages, runs the tools, as the runner does."""

    def __init__(self, tools: Tools, provider: OfflineProvider | None = None, locale: str | None = None) -> None:
        self.tools = tools
        self.provider = provider or OfflineProvider(pace_s=0, ids=SequentialIds())
        self.locale = locale
        self.messages: list[ModelMessage] = []
        self.specs: tuple[ToolSpec, ...] = tools.specs()

    async def say(self, text: str) -> Reply:
        """Send a message and run its turn to the end."""
        self.messages.append(UserMessage(content=text))
        calls: list[ToolCall] = []
        for _ in range(MOST_STEPS):
            events = await events_of(self.provider, self.request())
            said = "".join(event.text for event in events if isinstance(event, TextDelta))
            asked = tuple(event.call for event in events if isinstance(event, ToolCallReady))
            self.messages.append(AssistantMessage(content=said, tool_calls=asked))
            if not asked:
                return Reply(said, tuple(calls))
            calls += asked
            self.messages += [await self._result(call) for call in asked]
        raise AssertionError(f"no answer after {MOST_STEPS} steps: {calls}")

    @property
    def results(self) -> list[ToolMessage]:
        return [message for message in self.messages if isinstance(message, ToolMessage)]

    def request(self) -> ModelRequest:
        return ModelRequest(model="offline-demo", messages=tuple(self.messages), tools=self.specs, locale=self.locale)

    async def _result(self, call: ToolCall) -> ToolMessage:
        context = ToolContext(
            tenant="default", user_id="u", session_id="s", turn_id="t", call_id=call.call_id, idempotency_key="k"
        )
        try:
            outcome = await self.tools.call(call.name, self.tools.check(call.name, call.arguments), context)
        except ToolError as error:
            return ToolMessage(call_id=call.call_id, name=call.name, content=str(error), failed=True)
        return ToolMessage(call_id=call.call_id, name=call.name, content=outcome.content)


async def events_of(provider: OfflineProvider, request: ModelRequest) -> list[ModelEvent]:
    async with provider.stream(request) as events:
        return [event async for event in events]


def written(arguments: dict[str, Any]) -> str:
    """Write a query in one line: `revenue by agent where agent=A|B in 2017 vs previous top 5`."""
    parts = ["+".join(arguments["metrics"])]
    parts += [f"by {','.join(arguments['by'])}"] if "by" in arguments else []
    for each in arguments.get("filters", ()):
        sign = "!=" if each.get("exclude") else "="
        parts.append(f"where {each['dimension']}{sign}{'|'.join(str(value) for value in each['values'])}")
    parts += [f"in {arguments['period']}"] if "period" in arguments else []
    parts += [f"vs {arguments['compare_to']}"] if "compare_to" in arguments else []
    ascending = arguments.get("descending") is False
    limit = arguments.get("limit")
    everyone = limit == ALL_ROWS
    parts += [f"{'bottom' if ascending else 'top'} {limit}"] if limit and not everyone else []
    parts += [f"empty {arguments['empty']}"] if "empty" in arguments else []
    return " ".join(parts)
