"""Chunks of a streamed chat completion into model events, for OpenAI and those who speak its dialect more or less.

What is known of their quirks decides the rules: finish reasons and indexes are not trusted, ids may be empty or
repeated, arguments may be an object, usage may come in any chunk, and an error may come in a stream with status 200.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from agent.providers.openai_errors import error_in_stream
from agent.providers.openai_messages import THOUGHTS
from agent.providers.parallel_wrapper import unrolled
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

_DONE: Final = b"[DONE]"
_FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "tool_calls": "stop",
    "function_call": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "filtered",
    "error": "failed",
}
"""What servers say; a word that is not here is read as `stop`, for what matters is what came."""


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None


class _Fragment(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    extra_content: dict[str, Any] | None = None


class _Delta(msgspec.Struct, gc=False):
    content: Any = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    tool_calls: list[_Fragment] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None  # in place of `delta` where a server does not stream although it was asked to
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    model: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk, strict=False).decode


class _OpenCall:
    """A tool call whose fragments still come."""

    def __init__(self, index: int | None, call_id: str | None) -> None:
        self.index, self.call_id = index, call_id
        self.name = ""
        self.arguments: list[str] = []
        self.extra: dict[str, Any] | None = None


class ChatAssembler:
    """Eats the data of server-sent events, gives model events. No I/O.

    Tool calls are given whole, when the stream ends; a refusal is given as text and ends `filtered`. The calls and
    the finish come from `finish`, which raises StreamCut where the stream ended with no sign of being whole. What was
    thought as `reasoning_content` before calls is kept: who sends it wants it back with them.
    """

    def __init__(self, provider: str, names: ToolNames) -> None:
        self._provider, self._names = provider, names
        self._calls: list[_OpenCall] = []
        self._thoughts: list[str] = []
        self._usage: Usage | None = None
        self._model: str | None = None
        self._finish: FinishReason | None = None
        self._refused = False
        self._done = False
        self._anything = False

    @property
    def done(self) -> bool:
        """Whether `[DONE]` came: nothing follows."""
        return self._done

    def feed(self, payloads: list[bytes]) -> list[ModelEvent]:
        """The events of the payloads of one network read; neighbouring text is one event. Raises ProviderError."""
        events: list[ModelEvent] = []
        texts: list[str] = []
        for payload in payloads:
            if payload == _DONE:
                self._done = True
                continue
            chunk = self._read(payload)
            for choice in (chunk.choices or ())[:1]:  # one answer was asked for
                delta = choice.delta or choice.message
                if delta is not None:
                    self._take(delta, texts, events)
                if choice.finish_reason:
                    self._finish = _FINISH_REASONS.get(choice.finish_reason, "stop")
            if chunk.usage is not None and (usage := _usage(chunk.usage)) is not None:
                _flush(texts, events)
                self._usage = usage
                events.append(UsageReported(usage=usage))
        _flush(texts, events)
        return events

    def finish(self) -> list[ModelEvent]:
        """What the end of the stream makes whole. Raises StreamCut and ProviderError."""
        if self._finish is None and not (self._done and self._anything):  # some servers give no reason, but [DONE]
            raise StreamCut(f"the stream of {self._provider!r} ended before the answer did")
        if self._finish == "failed":
            raise ProviderError(f"the provider {self._provider!r} broke off its answer")
        events: list[ModelEvent] = [
            ToolCallReady(call=whole) for call in self._calls for whole in unrolled(self._whole(call), self._names)
        ]
        reason: FinishReason = "filtered" if self._refused else self._finish or "stop"
        kept = {THOUGHTS: "".join(self._thoughts)} if self._calls and self._thoughts else None
        events.append(ModelFinished(reason=reason, model=self._model, opaque=kept))
        return events

    def _read(self, payload: bytes) -> _Chunk:
        try:
            chunk = _decode(payload)
        except msgspec.DecodeError as error:
            raise ProviderError(
                f"the provider {self._provider!r} sent what is not a chunk of a chat completion"
            ) from error
        if chunk.error:
            raise error_in_stream(self._provider, chunk.error)
        if chunk.model:
            self._model = chunk.model
        if chunk.choices:
            self._anything = True
        return chunk

    def _take(self, delta: _Delta, texts: list[str], events: list[ModelEvent]) -> None:
        content = delta.content
        if type(content) is str and not delta.refusal:
            if content:
                texts.append(content)
        elif content or delta.refusal:
            texts.append(self._text(delta))
        if delta.reasoning_content or delta.reasoning:
            _flush(texts, events)
            events.extend(_reasoning(delta))
            if delta.reasoning_content:
                self._thoughts.append(delta.reasoning_content)
        if delta.tool_calls:
            for fragment in delta.tool_calls:
                self._add(fragment)

    def _text(self, delta: _Delta) -> str:
        text = _content_text(delta.content)
        if delta.refusal:
            self._refused = True
            text += delta.refusal
        return text

    def _add(self, fragment: _Fragment) -> None:
        """Find the call that a fragment belongs to, or begin one: only a fragment with a name can begin a call."""
        name = fragment.function.name if fragment.function is not None else None
        call = self._begins(fragment) if name else None
        if call is None:
            call = self._continued(fragment)
        if call is None:
            return  # a fragment of nothing: an empty id and no function
        if name and not call.name:
            call.name = name
        if fragment.extra_content:
            call.extra = fragment.extra_content
        if fragment.function is not None and fragment.function.arguments:
            arguments = fragment.function.arguments
            call.arguments.append(arguments if isinstance(arguments, str) else json.dumps(arguments))

    def _begins(self, fragment: _Fragment) -> _OpenCall | None:
        """A new call where its id or its index is new, or it has neither; else None."""
        new_id = bool(fragment.id) and all(call.call_id != fragment.id for call in self._calls)
        new_index = fragment.index is not None and all(call.index != fragment.index for call in self._calls)
        neither = not fragment.id and fragment.index is None
        if not (new_id or new_index or neither):
            return None
        call = _OpenCall(fragment.index, fragment.id or None)
        self._calls.append(call)
        return call

    def _continued(self, fragment: _Fragment) -> _OpenCall | None:
        newest_first = list(reversed(self._calls))
        if fragment.id:
            for call in newest_first:
                if call.call_id == fragment.id:
                    return call
        if fragment.index is not None:
            for call in newest_first:
                if call.index == fragment.index:
                    return call
        return newest_first[0] if newest_first else None

    def _whole(self, call: _OpenCall) -> ToolCall:
        """The call under the vendor's name. An id that never came is left empty: the runner makes one."""
        opaque = {"extra_content": call.extra} if call.extra else None
        arguments = "".join(call.arguments)
        return ToolCall(call_id=call.call_id or "", name=call.name, arguments=arguments, opaque=opaque)


def _flush(texts: list[str], events: list[ModelEvent]) -> None:
    text = "".join(texts)
    texts.clear()
    if text:
        events.append(TextDelta(text=text))


def _content_text(content: Any) -> str:
    """Content is a text, nothing, or (Mistral) a list of parts of which those of type text count."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(
        part["text"]
        for part in content
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
    )


def _reasoning(delta: _Delta) -> list[ModelEvent]:
    text = delta.reasoning_content or delta.reasoning
    return [ReasoningDelta(text=text)] if isinstance(text, str) else []


def _usage(usage: dict[str, Any]) -> Usage | None:
    """Usage by OpenAI's names; None where the numbers are not there."""
    read, written = _number(usage, "prompt_tokens"), _number(usage, "completion_tokens")
    if not (read or written):
        return None
    return Usage(
        input=read,
        output=written,
        cached=_number(usage.get("prompt_tokens_details"), "cached_tokens"),
        reasoning=_number(usage.get("completion_tokens_details"), "reasoning_tokens"),
        total=_number(usage, "total_tokens") or read + written,
    )


def _number(holder: Any, name: str) -> int:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, int) and value > 0 else 0
