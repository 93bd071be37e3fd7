"""Lines of Ollama's `/api/chat` into model events: text and thoughts in pieces, tool calls whole, usage in the last."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Any, Final

import msgspec

from agent.providers.failures import broke_off
from agent.providers.ollama_errors import error_in_stream
from agent.providers.ollama_messages import THINKING
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

_FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "load": "failed",
    "unload": "failed",
}
"""What Ollama says; `load` and `unload` answer a request that asked nothing. Another word is read as `stop`."""


class _Function(msgspec.Struct, gc=False):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Call(msgspec.Struct, gc=False):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(msgspec.Struct, gc=False):
    message: _Message | None = None
    model: str | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Line).decode


class OllamaAssembler:
    """Eats lines, gives model events. No I/O.

    Tool calls are given when the stream ends, by `finish`, which raises StreamCut where the last line never came.
    """

    def __init__(self, provider: str, model: str, names: ToolNames) -> None:
        self._provider, self._asked, self._names = provider, model, names
        self._calls: list[ToolCall] = []
        self._thoughts: list[str] = []
        self._model: str | None = None
        self._last: _Line | None = None

    @property
    def done(self) -> bool:
        """Whether the last line came."""
        return self._last is not None

    def feed(self, lines: list[bytes]) -> list[ModelEvent]:
        """The events of the lines of one network read; neighbouring text is one event. Raises ProviderError."""
        events: list[ModelEvent] = []
        texts: list[str] = []
        thoughts: list[str] = []
        for line in lines:
            read = self._read(line)
            if read.message is not None:
                self._take(read.message, texts, thoughts, events)
            if read.done:
                self._last = read
                break
        _flush(texts, thoughts, events)
        if self._last is not None and (usage := _usage(self._last)) is not None:
            events.append(UsageReported(usage=usage))
        return events

    def finish(self) -> list[ModelEvent]:
        """What the end of the stream makes whole. Raises StreamCut and ProviderError."""
        if self._last is None:
            raise StreamCut(f"the stream of {self._provider!r} ended before the answer did")
        reason = _FINISH_REASONS.get(self._last.done_reason or "stop", "stop")
        if reason == "failed":
            raise broke_off(self._provider, "it loaded the model and did not answer")
        events: list[ModelEvent] = [ToolCallReady(call=call) for call in self._calls]
        opaque = {THINKING: "".join(self._thoughts)} if self._calls and self._thoughts else None
        events.append(ModelFinished(reason=reason, model=self._model, opaque=opaque))
        return events

    def _read(self, line: bytes) -> _Line:
        try:
            read = _decode(line)
        except msgspec.DecodeError as error:
            raise ProviderError(f"the provider {self._provider!r} sent what is no line of a chat") from error
        if read.error:
            raise error_in_stream(self._provider, read.error, self._asked)
        self._model = read.model or self._model
        return read

    def _take(self, message: _Message, texts: list[str], thoughts: list[str], events: list[ModelEvent]) -> None:
        if message.thinking:
            if texts:
                _flush(texts, thoughts, events)
            thoughts.append(message.thinking)
            self._thoughts.append(message.thinking)
        if message.content:
            if thoughts:
                _flush(texts, thoughts, events)
            texts.append(message.content)
        for call in message.tool_calls or ():
            self._calls.append(self._whole(call))

    def _whole(self, call: _Call) -> ToolCall:
        """Ollama gives ids since late 2025; where there is none one is made."""
        return ToolCall(
            call_id=call.id or f"call_{secrets.token_hex(8)}",
            name=self._names.own(call.function.name),
            arguments=_arguments(call.function.arguments),
        )


def _flush(texts: list[str], thoughts: list[str], events: list[ModelEvent]) -> None:
    """At most one of the two holds anything."""
    if thoughts:
        events.append(ReasoningDelta(text="".join(thoughts)))
        thoughts.clear()
    if texts:
        events.append(TextDelta(text="".join(texts)))
        texts.clear()


def _arguments(raw: msgspec.Raw) -> str:
    """The JSON text: an object as it was sent, or the text that a server in between made of it."""
    value = bytes(raw)
    if value.startswith(b'"'):
        with suppress(msgspec.DecodeError):
            return msgspec.json.decode(value, type=str)
    return value.decode(errors="replace") if value != b"null" else ""


def _usage(line: _Line) -> Usage | None:
    """Tokens; older versions do not count a prompt that they had read before."""
    read, written = max(line.prompt_eval_count or 0, 0), max(line.eval_count or 0, 0)
    return Usage(input=read, output=written, total=read + written) if read or written else None
