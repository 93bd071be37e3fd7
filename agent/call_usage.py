"""What one model call uses while it streams, and when it is over: reported where the vendor says it, else an estimate.

Vendors report cumulatively, some of them often: the last report counts and reports are never added up. What breaks off
is counted too, by whichever is more, the last report or what was seen with what the model is known to hide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.budget import estimate_tokens
from core.models import ModelEvent, ModelFinished, ReasoningDelta, TextDelta, ToolCallReady, Usage, UsageReported

_FORGOTTEN: Final = 0.9
"""What is left of a remembered figure with each call that hid less."""
_MODELS: Final = 1_000


class HiddenOutput:
    """How much output models make that nobody sees, such as reasoning that is charged and not shown.

    Learned by this process from calls that were reported whole: the most that was lately hidden, by model. Without it a
    call that is stopped while the model reasons would cost nothing.
    """

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str], float] = {}

    def expected(self, provider: str, model: str) -> int:
        """The tokens to reckon with; 0 for a model that hides nothing, or was not called yet."""
        return int(self._tokens.get((provider, model), 0))

    def learn(self, provider: str, model: str, call: CallUsage) -> None:
        """Take what a call hid into account, where that is known."""
        if call.is_estimate:
            return
        key = provider, model
        if key not in self._tokens and len(self._tokens) >= _MODELS:
            self._tokens.clear()  # callers may name models
        self._tokens[key] = max(call.hidden_tokens, self._tokens.get(key, 0) * _FORGOTTEN)


class CallUsage:
    """Eats a call's events.

    `count_input` counts the request's tokens; it is asked at most once, and only if needed. `hidden`: how much output
    to reckon with beside what is seen, where the call breaks off before it is reported.
    """

    def __init__(self, count_input: Callable[[], int], *, hidden: int = 0) -> None:
        self._count_input = count_input
        self._hidden = hidden
        self._counted: int | None = None
        self._characters = 0
        self._reported: Usage | None = None
        self._finished = False
        self.began = False
        """Whether the vendor took the request: what it refuses it does not charge for. Set by who enters the stream."""

    def take(self, event: ModelEvent) -> None:
        """Count one event of the stream."""
        kind = type(event)
        if kind is TextDelta or kind is ReasoningDelta:
            self._characters += len(event.text)  # type: ignore[union-attr]  # what the line above says
        elif kind is ToolCallReady:
            call = event.call  # type: ignore[union-attr]
            self._characters += len(call.name) + len(call.arguments)
        elif kind is UsageReported:
            self._reported = event.usage  # type: ignore[union-attr]
        elif kind is ModelFinished:
            self._finished = True

    @property
    def output_tokens(self) -> int:
        """The output so far, for a look in mid-stream: the report or the estimate, whichever is more."""
        seen = self._hidden + estimate_tokens(self._characters)
        return seen if self._reported is None else max(seen, self._reported.output)

    @property
    def hidden_tokens(self) -> int:
        """The output that was reported beyond what was seen. Estimates of what is seen are rather high: 0 then."""
        seen = estimate_tokens(self._characters)
        return 0 if self._reported is None else max(0, self._reported.output - seen)

    @property
    def is_estimate(self) -> bool:
        """Whether `usage` is not what the vendor reported of the whole call."""
        return self._reported is None or not self._finished

    @property
    def usage(self) -> Usage:
        """What was used, as far as is known now. Nothing where the call never began."""
        reported = self._reported
        if reported is not None and self._finished:
            return reported
        if not (self.began or self._characters or reported is not None):
            return Usage()
        output = self.output_tokens
        if reported is None:
            tokens = self._input()
            return Usage(input=tokens, output=output, total=tokens + output)
        tokens = reported.input or self._input()  # some say it at the beginning, others with the output only
        return Usage(
            input=tokens,
            output=output,
            cached=min(reported.cached, tokens),
            reasoning=min(reported.reasoning, output),
            total=tokens + output,
        )

    def _input(self) -> int:
        if self._counted is None:
            self._counted = self._count_input()
        return self._counted
