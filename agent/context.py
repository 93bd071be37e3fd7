"""What a model is sent: instructions, as many whole earlier turns as fit, this turn's message and its steps so far."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from agent.budget import EXACT_FROM_CHARACTERS, TokenCounter, estimate_tokens
from core.messages import (
    AssistantMessage,
    ModelMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
    content_images,
    content_text,
)
from core.turns import HistoryEntry, JournalEntry, ModelCalled, ToolReturned, TurnInput

_PER_MESSAGE_TOKENS = 4
"""What a message's frame takes beside its text (OpenAI cookbook, counting tokens for chat completions: 3 to 4)."""
_PER_IMAGE_TOKENS = 1_000
"""Vendors count 85 to 1,600 tokens a picture, by its size, which is not known here; settled by what they report."""
_SHORT = tuple(estimate_tokens(characters) for characters in range(EXACT_FROM_CHARACTERS))
"""Tokens of the texts that are never counted exactly, by their characters."""
_CANCELLED_NOTE = "[The user stopped this answer here.]"
_NO_TOOLS_NOTE = "You can call no more tools now: answer with what you have, and say what is missing."


def build_messages(
    *,
    instructions: str,
    history: Sequence[HistoryEntry],
    turn: TurnInput,
    results: Sequence[JournalEntry],
    window_tokens: int,
    counter: TokenCounter,
    offer_tools: bool,
) -> tuple[ModelMessage, ...]:
    """The messages of the next model call. Their number is the `context_size`.

    The window holds whole turns only, the newest first, so a tool call is never parted from its result; this turn's
    own messages are always there. A turn that is answered again (`retry_of`) is left out.
    """
    system = SystemMessage(content=instructions if offer_tools else f"{instructions}\n\n{_NO_TOOLS_NOTE}")
    own: list[ModelMessage] = [system, question(turn), *step_messages(results)]
    room = window_tokens - count_tokens(own, counter)
    earlier: list[tuple[ModelMessage, ...]] = []
    for entry in reversed(history):
        if entry.turn_id in (turn.turn_id, turn.retry_of):
            continue
        room -= count_tokens(entry.messages, counter)
        if room < 0:
            break
        earlier.append(entry.messages)
    before = [message for messages in reversed(earlier) for message in messages]
    return tuple(_readable(message) for message in (own[0], *before, *own[1:]))


def question(turn: TurnInput) -> UserMessage:
    """What the turn is to answer, as a model sees it."""
    return UserMessage(content=content_text(turn.content), images=content_images(turn.content))


def step_messages(results: Sequence[JournalEntry]) -> list[ModelMessage]:
    """This turn's steps as a model sees them: each answer, then one result for each of its calls that has one."""
    returned = {(entry.step, entry.call_id): entry for entry in results if isinstance(entry, ToolReturned)}
    messages: list[ModelMessage] = []
    for entry in results:
        if not isinstance(entry, ModelCalled):
            continue
        messages.append(
            AssistantMessage(content=entry.text, tool_calls=entry.calls, provider=entry.provider, opaque=entry.opaque)
        )
        for call in entry.calls:
            result = returned.get((entry.step, call.call_id))
            if result is not None:
                messages.append(
                    ToolMessage(call_id=call.call_id, name=call.name, content=result.content, failed=result.failed)
                )
    return messages


def count_tokens(messages: Sequence[ModelMessage], counter: TokenCounter) -> int:
    """About how many tokens messages take in a request. Two passes a step over up to 400 messages: 0.1 µs a message."""
    tokens = _PER_MESSAGE_TOKENS * len(messages)
    for message in messages:
        text = message.content
        tokens += _SHORT[len(text)] if len(text) < EXACT_FROM_CHARACTERS else counter.count(text)
        if type(message) is AssistantMessage:
            for call in message.tool_calls:
                tokens += counter.count(call.name) + counter.count(call.arguments)
        elif type(message) is UserMessage and message.images:
            tokens += _PER_IMAGE_TOKENS * len(message.images)
    return tokens


def _readable(message: ModelMessage) -> ModelMessage:
    """A message as every vendor takes it: arguments are an object, and a stopped answer says so."""
    if type(message) is not AssistantMessage or not (message.cancelled or message.tool_calls):
        return message
    content = f"{message.content}\n\n{_CANCELLED_NOTE}".strip() if message.cancelled else message.content
    calls = tuple(_whole(call) for call in message.tool_calls)
    return msgspec.structs.replace(message, content=content, tool_calls=calls)


def _whole(call: ToolCall) -> ToolCall:
    """Some servers parse the arguments that they get back and refuse a request whose arguments are not an object."""
    try:
        if isinstance(json.loads(call.arguments), dict):
            return call
    except ValueError:
        pass
    wrong = {"_not_an_object": call.arguments} if call.arguments.strip() else {}
    return msgspec.structs.replace(call, arguments=json.dumps(wrong))
