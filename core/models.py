"""What is asked of a model and what streams back, the same for every provider."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from core.errors import ErrorCode
from core.messages import ModelMessage, ToolCall

Effect = Literal["read", "idempotent", "once"]
"""What a second run of a tool would do: nothing new, nothing new under the same key, harm."""

FinishReason = Literal["stop", "length", "cancelled", "failed", "filtered"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens. `input` includes `cached`; `output` includes `reasoning`."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    total: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cached=self.cached + other.cached,
            reasoning=self.reasoning + other.reasoning,
            total=self.total + other.total,
        )


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as a model sees it. `parameters` is a JSON Schema of an object; `title` is for people."""

    name: str
    title: str
    description: str
    parameters: dict[str, Any]
    effect: Effect = "read"
    parallel: bool = True
    timeout_s: float = 20.0
    output_cap: int = 16_000
    """Characters of a result that go to the model; the rest is cut with a note."""
    cacheable: bool = False
    """Its result depends on its arguments and on data whose version it can tell, and on nothing else."""
    titles: dict[str, str] = {}
    """The title in other languages, by the first part of a BCP 47 tag, such as `pt`."""

    def title_for(self, locale: str | None) -> str:
        """The title in a user's language; `title` where there is none."""
        return self.titles.get((locale or "").partition("-")[0].lower(), self.title)


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who a model call is for: who pays for it and whose data it holds. Never sent to a vendor."""

    tenant: str
    user_id: str
    session_id: str
    turn_id: str
    agent: str
    step: int


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One model call. `model` is the name at the provider, without the provider's prefix."""

    model: str
    messages: tuple[ModelMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_output_tokens: int | None = None
    temperature: float | None = None
    locale: str | None = None
    """BCP 47, such as `pt-BR`: what the client said; providers that are real models ignore it."""
    output_schema: dict[str, Any] | None = None
    """JSON Schema of an object: the answer's text is to be JSON that fits it. None: words."""
    caller: Caller | None = None
    """None: a call of nobody's turn, such as a test's."""


class TextDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of the answer's text; never empty. Several tokens that came in one read may share one."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of the model's thinking; never shown as answer."""

    text: str


class ToolCallReady(msgspec.Struct, frozen=True, kw_only=True):
    """A whole tool call."""

    call: ToolCall


class UsageReported(msgspec.Struct, frozen=True, kw_only=True):
    """What the call cost so far; the last one counts."""

    usage: Usage


class ModelFinished(msgspec.Struct, frozen=True, kw_only=True):
    """The last event of a stream that is whole. `opaque` goes into the history and back to the same provider."""

    reason: FinishReason
    model: str | None = None
    opaque: dict[str, Any] | None = None


CACHED: Final = "cache"
"""The `CallBegan.reason` of an answer that is given again: no model is called."""


class CallBegan(msgspec.Struct, frozen=True, kw_only=True):
    """A call goes to a model now; what follows is that model's. Only from what routes calls, never from a vendor's.

    It comes before anything is sent: who reads it may still stop.
    """

    provider: str
    model: str
    reason: str = ""
    """Why this model, as a few words with `:` and `=` for the books; never a user's text."""


class CallBroke(msgspec.Struct, frozen=True, kw_only=True):
    """The call that began last broke off and another follows: what it said is void, what it used is not.

    `next`: `recovery` (the same model again) or `failover` (another model). Comes as soon as the call broke, before
    any wait.
    """

    provider: str
    model: str
    next: Literal["recovery", "failover"]
    error: str
    """The ProviderError's message: our own words."""
    code: ErrorCode = "provider_unavailable"
    status: int | None = None


ModelEvent = TextDelta | ReasoningDelta | ToolCallReady | UsageReported | ModelFinished
"""What a vendor's model gives."""

RoutedEvent = ModelEvent | CallBegan | CallBroke
"""What a model gives through the wrappers that route: at least one CallBegan first, a CallBroke between two calls."""
