"""Events of a streamed message into model events, for Anthropic and those who speak its Messages API.

A message is a row of blocks, each with its index: text, thinking, a call. Events and blocks of kinds that are not
known are skipped, as the vendor asks of its readers; so are the tools that the vendor runs itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from agent.providers.anthropic_errors import error_in_stream
from agent.providers.failures import too_long
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
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",
    "pause_turn": "stop",  # of the vendor's own tools, which nobody asked for: there is nothing to go on with
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "filtered",
}
"""What the vendor says (anthropic 2.12, types/stop_reason.py); a word that is not here is read as `stop`."""
_DONE: Final = b"[DONE]"
"""What some proxies end a stream with, as OpenAI does."""
_KNOWN: Final = frozenset(
    {"message_start", "content_block_start", "content_block_delta", "message_delta", "content_block_stop", "message"}
)


class _Delta(msgspec.Struct, gc=False):
    """Of a block, or of the message. Fields hold anything: a delta of a new kind may use a name for something else."""

    type: Any = None
    text: Any = None
    partial_json: Any = None
    thinking: Any = None
    signature: Any = None
    stop_reason: Any = None


class _Message(msgspec.Struct, gc=False):
    model: str | None = None
    usage: dict[str, Any] | None = None
    content: list[dict[str, Any]] | None = None
    stop_reason: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: dict[str, Any] | None = None
    message: _Message | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _Kind(msgspec.Struct, gc=False):
    type: str = ""


_decode = msgspec.json.Decoder(_Event).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_message = msgspec.json.Decoder(_Message).decode


class _Block:
    """A block whose parts still come, or that is whole (`stopped`)."""

    def __init__(self, start: dict[str, Any]) -> None:
        self.kind: Any = start.get("type")
        self.start = start
        self.parts: list[str] = []
        self.signature: str = _string(start.get("signature"))
        self.stopped = False

    @property
    def characters(self) -> int:
        return sum(map(len, self.parts))

    def arguments(self) -> str:
        """JSON of a call's input: what was streamed, else what the block began with; nothing at all is `{}`."""
        streamed = "".join(self.parts)
        if streamed.strip():
            return streamed
        given = self.start.get("input")
        return msgspec.json.encode(given).decode() if isinstance(given, dict) else "{}"


class MessageAssembler:
    """Eats the data of server-sent events, gives model events. No I/O.

    The calls and the finish come from `finish`, which raises StreamCut where the stream ended with no sign of being
    whole. `names` are those of the request's tools. `prefix` gives the digest of the request, and is asked only where
    there are thoughts to keep.
    """

    def __init__(self, provider: str, model: str, names: ToolNames, prefix: Callable[[], int]) -> None:
        self._provider, self._asked_model, self._names, self._prefix = provider, model, names, prefix
        self._model: str | None = None
        self._blocks: list[_Block] = []
        self._at: dict[int, _Block] = {}
        """The block that an index means now: small servers use one index for all, a block after the other."""
        self._usage: dict[str, int] = {}
        self._stop_reason: str | None = None
        self._done = False

    @property
    def done(self) -> bool:
        """Whether `message_stop` came: nothing follows."""
        return self._done

    def feed(self, payloads: list[bytes]) -> list[ModelEvent]:
        """The events of the payloads of one network read; neighbouring text is one event. Raises ProviderError."""
        events: list[ModelEvent] = []
        texts: list[str] = []
        for payload in payloads:
            if self._done or payload == _DONE:
                continue
            event = self._read(payload)
            delta = event.delta
            if event.type == "content_block_delta" and delta is not None and delta.type == "text_delta":
                self._add_text(event.index, delta.text, texts)
            else:
                self._take(event, payload, texts, events)
        _flush(texts, events)
        return events

    def finish(self) -> list[ModelEvent]:
        """What the end of the stream makes whole. Raises StreamCut, and ProviderError where nothing fitted."""
        if self._stop_reason is None and not (self._done and self._model):  # a small server may give no reason
            raise StreamCut(f"the stream of {self._provider!r} ended before the answer did")
        reason = _FINISH_REASONS.get(self._stop_reason or "", "stop")
        calls = list(self._calls(reason))
        said = any(block.characters for block in self._blocks if block.kind == "text")
        if self._stop_reason == "model_context_window_exceeded" and not (said or calls):
            raise too_long()
        events: list[ModelEvent] = [ToolCallReady(call=call) for call in calls]
        events.append(ModelFinished(reason=reason, model=self._model, opaque=self._opaque(len(calls))))
        return events

    def _read(self, payload: bytes) -> _Event:
        try:
            event = _decode(payload)
        except msgspec.ValidationError as error:  # it is JSON: an event of a new kind, or a broken one
            event = _Event(type=_kind(payload))
            if event.type in _KNOWN or not event.type:
                raise self._nonsense() from error
        except msgspec.DecodeError as error:
            raise self._nonsense() from error
        if event.type == "error" or (event.error and event.type not in _KNOWN):
            raise error_in_stream(self._provider, {"error": event.error}, self._asked_model)
        return event

    def _take(self, event: _Event, payload: bytes, texts: list[str], events: list[ModelEvent]) -> None:
        match event.type:
            case "content_block_delta" if event.delta is not None:
                _flush(texts, events)
                self._add(event.index, event.delta, events)
            case "content_block_start" if event.content_block is not None:
                self._begin(event.index, event.content_block, texts, events)
            case "content_block_stop":
                if event.index in self._at:
                    self._at[event.index].stopped = True
            case "message_start" if event.message is not None:
                self._model = event.message.model or self._asked_model
                self._report(event.message.usage, texts, events)
            case "message_delta":
                if event.delta is not None:
                    self._stop_reason = _string(event.delta.stop_reason) or self._stop_reason
                self._report(event.usage, texts, events)
            case "message_stop":
                self._done = True
            case "message":
                self._take_whole(_decode_message(payload), texts, events)
            case _:
                pass  # a ping, or what the vendor has thought of since

    def _take_whole(self, message: _Message, texts: list[str], events: list[ModelEvent]) -> None:
        """A server that does not stream although it was asked to."""
        self._model = message.model or self._asked_model
        for index, start in enumerate(message.content or ()):
            self._begin(index, start, texts, events)
            self._at[index].stopped = True
        self._stop_reason = message.stop_reason or "end_turn"
        self._report(message.usage, texts, events)
        self._done = True

    def _begin(self, index: int, start: dict[str, Any], texts: list[str], events: list[ModelEvent]) -> None:
        block = self._open(index, start)
        if block.kind == "text":
            self._add_text(index, start.get("text"), texts)
        elif block.kind == "thinking":
            _flush(texts, events)
            self._add_thought(block, start.get("thinking"), events)

    def _open(self, index: int, start: dict[str, Any]) -> _Block:
        block = self._at[index] = _Block(start)
        self._blocks.append(block)
        return block

    def _add_text(self, index: int, text: Any, texts: list[str]) -> None:
        if type(text) is not str or not text:
            return
        block = self._at.get(index)
        if block is None:
            block = self._open(index, {"type": "text"})
        block.parts.append(text)
        texts.append(text)

    def _add(self, index: int, delta: _Delta, events: list[ModelEvent]) -> None:
        block = self._at.get(index)
        if block is None:
            return
        match delta.type:
            case "input_json_delta":
                block.parts.append(_string(delta.partial_json))
            case "thinking_delta":
                self._add_thought(block, delta.thinking, events)
            case "signature_delta":
                block.signature += _string(delta.signature)
            case _:
                pass  # citations, and what the vendor has thought of since

    def _add_thought(self, block: _Block, text: Any, events: list[ModelEvent]) -> None:
        if type(text) is str and text:
            block.parts.append(text)
            events.append(ReasoningDelta(text=text))

    def _report(self, usage: dict[str, Any] | None, texts: list[str], events: list[ModelEvent]) -> None:
        """Numbers are the sums so far: a later one takes the place of an earlier one, and what is left out stays."""
        if not usage:
            return
        numbers = {name: value for name, value in usage.items() if type(value) is int and value >= 0}
        details = usage.get("output_tokens_details")
        if isinstance(details, dict) and type(details.get("thinking_tokens")) is int:
            numbers["thinking_tokens"] = details["thinking_tokens"]
        self._usage.update(numbers)
        report = _usage(self._usage)
        if report.total:
            _flush(texts, events)
            events.append(UsageReported(usage=report))

    def _calls(self, reason: FinishReason) -> Iterable[ToolCall]:
        """The calls that are whole. One that the token limit cut is none, nor is any of an answer that was refused.

        A call that the model ended itself is given even where its arguments are no JSON: the model is told then.
        """
        if reason == "filtered":
            return
        for block in self._blocks:
            if block.kind != "tool_use":
                continue
            arguments = block.arguments()
            if reason == "length" and not (block.stopped and _is_json(arguments)):
                continue
            if not block.stopped:
                raise StreamCut(f"the stream of {self._provider!r} ended in the middle of a tool call")
            name = self._names.own(_string(block.start.get("name")))
            yield ToolCall(call_id=_string(block.start.get("id")), name=name, arguments=arguments)

    def _opaque(self, calls: int) -> dict[str, Any] | None:
        """The thoughts, whole and in their place among texts (by their length) and calls; None where there are none."""
        kept: list[dict[str, Any]] = []
        for block in self._blocks:
            match block.kind:
                case "thinking" if block.signature and block.stopped:  # without a signature it is not taken back
                    kept.append({"type": "thinking", "thinking": "".join(block.parts), "signature": block.signature})
                case "redacted_thinking":
                    kept.append({"type": "redacted_thinking", "data": _string(block.start.get("data"))})
                case "text" if block.parts:
                    kept.append({"type": "text", "characters": block.characters})
                case "tool_use" if calls > 0:
                    calls -= 1
                    kept.append({"type": "tool_use"})
        if not any(block["type"] in ("thinking", "redacted_thinking") for block in kept):
            return None
        return {"prefix": self._prefix(), "blocks": kept}

    def _nonsense(self) -> ProviderError:
        return ProviderError(f"the provider {self._provider!r} sent what is not an event of a message")


def _flush(texts: list[str], events: list[ModelEvent]) -> None:
    if texts:
        events.append(TextDelta(text="".join(texts)))
        texts.clear()


def _usage(numbers: dict[str, int]) -> Usage:
    """The vendor's `input_tokens` are those that no cache held; ours are all."""
    cached = numbers.get("cache_read_input_tokens", 0)
    read = numbers.get("input_tokens", 0) + cached + numbers.get("cache_creation_input_tokens", 0)
    written = numbers.get("output_tokens", 0)
    return Usage(
        input=read,
        output=written,
        cached=cached,
        reasoning=min(numbers.get("thinking_tokens", 0), written),
        total=read + written,
    )


def _kind(payload: bytes) -> str:
    try:
        return _decode_kind(payload).type
    except msgspec.DecodeError:
        return ""


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
