"""Events of a streamed response into model events: OpenAI's Responses API, and who copies it.

Item ids are not trusted (GitHub Copilot's copy changes them in mid-stream): items are known by their `output_index`.
Text and reasoning are given as they come; calls are taken from whole items (`response.output_item.done`) and given
when the response has ended. There is no `[DONE]`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from agent.providers.openai_errors import error_in_stream
from agent.providers.parallel_wrapper import unrolled
from agent.providers.responses_messages import SEPARATOR
from agent.providers.tool_names import ToolNames
from core.errors import ProviderError, StreamCut
from core.messages import ToolCall
from core.models import (
    FinishReason,
    ModelEvent,
    ModelFinished,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    Usage,
    UsageReported,
)

_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_THOUGHTS: Final = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_TEXTS: Final = frozenset({"response.output_text.delta", "response.refusal.delta"})


class _Response(msgspec.Struct):
    status: str | None = None
    model: str | None = None
    output: list[dict[str, Any]] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    incomplete_details: dict[str, Any] | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    delta: Any = None
    output_index: int = 0
    summary_index: int = 0
    item: msgspec.Raw = msgspec.Raw(b"{}")
    response: msgspec.Raw = msgspec.Raw(b"{}")
    error: Any = None
    object: str | None = None  # "response": the whole, where a server does not stream although it was asked to


_decode = msgspec.json.Decoder(_Event, strict=False).decode
_decode_item = msgspec.json.Decoder(dict[str, Any]).decode
_decode_response = msgspec.json.Decoder(_Response).decode


class ResponseAssembler:
    """Eats the data of server-sent events, gives model events. No I/O.

    `asked` is the model's name in the request: reasoning is given back to that one only. The calls and the finish
    come from `finish`, which raises StreamCut where the stream ended before the response did.
    """

    def __init__(self, provider: str, names: ToolNames, asked: str) -> None:
        self._provider, self._names, self._asked = provider, names, asked
        self._items: dict[int, dict[str, Any]] = {}
        self._characters: dict[int, int] = {}
        self._thought: tuple[int, int] | None = None
        self._refused = False
        self._end: _Response | None = None

    @property
    def done(self) -> bool:
        """Whether the response has ended: nothing follows."""
        return self._end is not None

    def feed(self, payloads: list[bytes]) -> list[ModelEvent]:
        """The events of the payloads of one network read; neighbouring text is one event. Raises ProviderError."""
        events: list[ModelEvent] = []
        texts: list[str] = []
        for payload in payloads:
            event = self._read(payload)
            if event.type in _TEXTS:
                self._refused = self._refused or event.type == "response.refusal.delta"
                self._say(event.output_index, event.delta, texts)
                continue
            more = self._take(event, payload, texts)
            if more:
                _flush(texts, events)
                events.extend(more)
        _flush(texts, events)
        return events

    def finish(self) -> list[ModelEvent]:
        """What the end of the response makes whole. Raises StreamCut and ProviderError."""
        end = self._end
        if end is None:
            raise StreamCut(f"the stream of {self._provider!r} ended before the answer did")
        events: list[ModelEvent] = []
        kept: list[dict[str, Any]] = []
        for index in sorted(self._items):
            item = self._items[index]
            calls = self._calls(item) if item.get("type") == "function_call" else ()
            events.extend(ToolCallReady(call=call) for call in calls)
            kept.extend(self._kept(index, item, len(calls)))
        telling = any(item["type"] == "reasoning" or "phase" in item for item in kept)
        opaque = {"model": self._asked, "output": kept} if telling else None
        events.append(ModelFinished(reason=self._reason(end), model=end.model, opaque=opaque))
        return events

    def _read(self, payload: bytes) -> _Event:
        try:
            return _decode(payload)
        except msgspec.DecodeError as error:
            if payload == b"[DONE]":  # which some gateways add
                return _Event()
            raise self._no_event() from error

    def _take(self, event: _Event, payload: bytes, texts: list[str]) -> list[ModelEvent]:
        """What one event says besides text, which goes to `texts`."""
        try:
            if event.type in _THOUGHTS:
                return self._think(event)
            if event.type == "response.output_item.done":
                self._keep(event.output_index, _decode_item(event.item), texts)
            elif event.type in _ENDS or (not event.type and event.object == "response"):
                return self._ended(event, _decode_response(event.response if event.type else payload), texts)
            elif event.type == "error" or event.error:
                raise error_in_stream(self._provider, _decode_item(payload))
        except msgspec.DecodeError as error:
            raise self._no_event() from error
        return []

    def _say(self, index: int, text: Any, texts: list[str]) -> None:
        if not isinstance(text, str) or not text:
            return
        if index not in self._characters:
            if self._characters:
                texts.append(SEPARATOR)
            self._characters[index] = 0
        self._characters[index] += len(text)
        texts.append(text)

    def _think(self, event: _Event) -> list[ModelEvent]:
        if not isinstance(event.delta, str) or not event.delta:
            return []
        part, before = (event.output_index, event.summary_index), self._thought
        self._thought = part
        text = event.delta if before in (None, part) else SEPARATOR + event.delta
        return [ReasoningDelta(text=text)]

    def _keep(self, index: int, item: dict[str, Any], texts: list[str]) -> None:
        self._items[index] = item
        if item.get("type") == "message" and index not in self._characters:  # a server that sends no deltas
            parts = item.get("content")
            for part in parts if isinstance(parts, list) else ():
                if isinstance(part, dict):
                    self._refused = self._refused or part.get("type") == "refusal"
                    self._say(index, part.get("text") or part.get("refusal"), texts)

    def _ended(self, event: _Event, response: _Response, texts: list[str]) -> list[ModelEvent]:
        response.status = response.status or event.type.removeprefix("response.")
        if response.status in ("failed", "cancelled"):
            raise error_in_stream(self._provider, response.error or {})
        self._end = response
        if not self._items:
            for index, item in enumerate(response.output or ()):
                self._keep(index, item, texts)
        usage = _usage(response.usage or {})
        return [UsageReported(usage=usage)] if usage is not None else []

    def _calls(self, item: dict[str, Any]) -> tuple[ToolCall, ...]:
        call = ToolCall(call_id=_text(item, "call_id"), name=_text(item, "name"), arguments=_text(item, "arguments"))
        return unrolled(call, self._names) if call.name else ()

    def _kept(self, index: int, item: dict[str, Any], calls: int) -> list[dict[str, Any]]:
        """What of an item the next request needs; a reasoning item that is not encrypted cannot be sent back."""
        match item.get("type"):
            case "reasoning" if item.get("encrypted_content"):
                return [item]
            case "message" if index in self._characters:
                kept = {"type": "message", "characters": self._characters[index]}
                return [kept | {"phase": item["phase"]} if isinstance(item.get("phase"), str) else kept]
            case "function_call" if calls:
                return [{"type": "function_call", "calls": calls}]
            case _:
                return []

    def _reason(self, end: _Response) -> FinishReason:
        if self._refused:
            return "filtered"
        if end.status != "incomplete":
            return "stop"
        return "filtered" if (end.incomplete_details or {}).get("reason") == "content_filter" else "length"

    def _no_event(self) -> ProviderError:
        return ProviderError(f"the provider {self._provider!r} sent what is not an event of a response")


def _flush(texts: list[str], events: list[ModelEvent]) -> None:
    if texts:
        events.append(TextDelta(text="".join(texts)))
        texts.clear()


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def _usage(usage: dict[str, Any]) -> Usage | None:
    """Usage by this API's names; None where the numbers are not there."""
    read, written = _number(usage, "input_tokens"), _number(usage, "output_tokens")
    if not (read or written):
        return None
    return Usage(
        input=read,
        output=written,
        cached=_number(usage.get("input_tokens_details"), "cached_tokens"),
        reasoning=_number(usage.get("output_tokens_details"), "reasoning_tokens"),
        total=_number(usage, "total_tokens") or read + written,
    )


def _number(holder: Any, name: str) -> int:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, int) and value > 0 else 0
