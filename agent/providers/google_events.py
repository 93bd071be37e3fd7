"""Chunks of Gemini's stream into model events.

What is known of its ways decides the rules: `parts` or the whole `content` may be missing and a text may be empty;
usage comes in any chunk and is cumulative; the finish reason is STOP also for calls; ids may be missing; nothing says
that all was sent; a blocked prompt has no candidates; an error may come in a stream with status 200, as plain JSON,
perhaps in an array.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import msgspec

from agent.providers.failures import blocked
from agent.providers.google_arguments import PartialArg, PartialArguments
from agent.providers.google_errors import error_in_stream, error_of_finish
from agent.providers.google_parts import PartLog, call_opaque
from agent.providers.tool_names import ToolNames
from core.errors import ProviderError, StreamCut
from core.ids import Ids
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
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "filtered",
    "RECITATION": "filtered",
    "LANGUAGE": "filtered",
    "BLOCKLIST": "filtered",
    "PROHIBITED_CONTENT": "filtered",
    "SPII": "filtered",
    "MODEL_ARMOR": "filtered",
    "ESCALATION": "filtered",
    "IMAGE_SAFETY": "filtered",
    "IMAGE_PROHIBITED_CONTENT": "filtered",
    "IMAGE_RECITATION": "filtered",
}
"""Those that end an answer (google-genai 3.4, `types.FinishReason`); others are errors (`google_errors.py`), and a word
that is known to neither is read as `stop`, for what matters is what came."""
_NOT_YET: Final = "FINISH_REASON_UNSPECIFIED"
_NOT_BLOCKED: Final = frozenset({"", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED"})


class _Call(msgspec.Struct, rename="camel", gc=False):
    name: str | None = None
    id: str | None = None
    args: msgspec.Raw = msgspec.Raw()
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class _Part(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel", gc=False):
    content: _Content | None = None
    finish_reason: str | None = None


class _Feedback(msgspec.Struct, rename="camel", gc=False):
    block_reason: str | None = None


class _Usage(msgspec.Struct, rename="camel", gc=False):
    prompt_token_count: Any = None
    tool_use_prompt_token_count: Any = None
    cached_content_token_count: Any = None
    candidates_token_count: Any = None
    thoughts_token_count: Any = None
    total_token_count: Any = None


class _Chunk(msgspec.Struct, rename="camel", gc=False):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    model_version: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk, strict=False).decode
_decode_many = msgspec.json.Decoder(list[_Chunk], strict=False).decode
_encode = msgspec.json.Encoder().encode


class _OpenCall:
    """A call, whole or growing. `arguments`: as the model wrote them, where they came whole."""

    def __init__(self, name: str, call_id: str | None) -> None:
        self.name, self.call_id = name, call_id
        self.signature: str | None = None
        self.arguments = ""
        self.partial = PartialArguments()


class AnswerAssembler:
    """Eats the data of server-sent events, gives model events. No I/O.

    Calls are given whole, when the stream ends, under our names for the tools. They and the finish come from
    `finish`, which raises StreamCut where the stream ended with no finish reason.
    """

    def __init__(self, provider: str, names: ToolNames, ids: Ids) -> None:
        self._provider, self._names, self._ids = provider, names, ids
        self._calls: list[_OpenCall] = []
        self._open: _OpenCall | None = None
        self._log = PartLog()
        self._usage: Usage | None = None
        self._model: str | None = None
        self._finish: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the finish reason came: at most usage follows."""
        return self._finish is not None

    def feed(self, payloads: list[bytes]) -> list[ModelEvent]:
        """The events of the payloads of one network read; neighbouring text is one event. Raises ProviderError."""
        said: list[tuple[type[TextDelta] | type[ReasoningDelta], str]] = []
        before = self._usage
        for payload in payloads:
            for chunk in self._read(payload):
                for candidate in (chunk.candidates or ())[:1]:  # one answer was asked for
                    self._take(candidate, said)
                if chunk.usage_metadata is not None:
                    self._usage = _usage(chunk.usage_metadata) or self._usage
        events: list[ModelEvent] = [
            kind(text="".join(text for _, text in run)) for kind, run in groupby(said, key=itemgetter(0))
        ]
        if self._usage is not None and self._usage != before:
            events.append(UsageReported(usage=self._usage))
        return events

    def finish(self) -> list[ModelEvent]:
        """What the end of the stream makes whole. Raises StreamCut and ProviderError."""
        if self._finish is None:
            raise StreamCut(f"the stream of {self._provider!r} ended before the answer did")
        if (failure := error_of_finish(self._provider, self._finish)) is not None:
            raise failure
        reason = _FINISH_REASONS.get(self._finish, "stop")
        if self._open is not None and reason != "stop":
            self._calls.remove(self._open)  # cut off within its arguments: it must not run
        events: list[ModelEvent] = [ToolCallReady(call=self._whole(call)) for call in self._calls]
        events.append(ModelFinished(reason=reason, model=self._model, opaque=self._log.opaque()))
        return events

    def _read(self, payload: bytes) -> list[_Chunk]:
        if payload == b"[DONE]":  # not Google's, but of servers that speak its dialect
            return []
        try:
            chunks = _decode_many(payload) if payload.startswith(b"[") else [_decode(payload)]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProviderError(f"the provider {self._provider!r} sent what is not a chunk of an answer") from error
        for chunk in chunks:
            if chunk.error:
                raise error_in_stream(self._provider, {"error": chunk.error})
            if chunk.prompt_feedback is not None and (chunk.prompt_feedback.block_reason or "") not in _NOT_BLOCKED:
                raise blocked(self._provider)
            self._model = chunk.model_version or self._model
        return chunks

    def _take(self, candidate: _Candidate, said: list[tuple[type[TextDelta] | type[ReasoningDelta], str]]) -> None:
        for part in (candidate.content.parts or ()) if candidate.content is not None else ():
            signature = part.thought_signature
            if part.function_call is not None:
                self._add(part.function_call, signature)
            elif part.thought:
                self._log.thought(part.text or "", signature)
                if part.text:
                    said.append((ReasoningDelta, part.text))
            elif part.text is not None:  # else it is a picture or the like, which was not asked for
                self._log.text(part.text, signature)
                if part.text:
                    said.append((TextDelta, part.text))
        if candidate.finish_reason and candidate.finish_reason != _NOT_YET:
            self._finish = candidate.finish_reason

    def _add(self, call: _Call, signature: str | None) -> None:
        """A call: whole, or (Vertex) begun, continued or closed; an empty one closes."""
        if call.name and not (self._open is not None and self._open.name == call.name and call.partial_args):
            self._open = _OpenCall(call.name, call.id)
            self._calls.append(self._open)
            self._log.call()
        if self._open is None:
            return  # the end of nothing
        self._open.signature = self._open.signature or signature
        try:
            for leaf in call.partial_args or ():
                self._open.partial.add(leaf)
        except ValueError as error:
            raise ProviderError(
                f"the model at {self._provider!r} called a tool with arguments that cannot be put together"
            ) from error
        whole = bytes(call.args).decode(errors="replace")
        if whole and whole != "null":
            self._open.arguments = whole
        if not call.will_continue:
            self._open = None

    def _whole(self, call: _OpenCall) -> ToolCall:
        return ToolCall(
            call_id=call.call_id or self._ids.new("call"),
            name=self._names.own(call.name),
            arguments=call.arguments or _encode(call.partial.value).decode(),
            opaque=call_opaque(call.call_id, call.signature),
        )


def _usage(told: _Usage) -> Usage | None:
    """Usage as Google counts it; None where the numbers are not there (Vertex' first chunks).

    The prompt's number holds what was cached; thoughts are billed as output and stand beside the candidates' number.
    """
    read = _number(told.prompt_token_count) + _number(told.tool_use_prompt_token_count)
    thoughts = _number(told.thoughts_token_count)
    written = _number(told.candidates_token_count) + thoughts
    if not (read or written):
        return None
    return Usage(
        input=read,
        output=written,
        cached=_number(told.cached_content_token_count),
        reasoning=thoughts,
        total=_number(told.total_token_count) or read + written,
    )


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
