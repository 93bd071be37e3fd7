"""What one model call uses while it streams, and when it is over: reported where the vendor says it, else an estimate.

Vendors report cumulatively, some of them often: the last report counts and reports are never added up. What breaks off
is counted too, by whichever is more, the last report or what was seen.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.budget import estimate_tokens
from core.models import ModelEvent, ModelFinished, ReasoningDelta, TextDelta, ToolCallReady, Usage, UsageReported


class CallUsage:
    """Eats a call's events. `count_input` counts the request's tokens; it is asked at most once, and only if needed."""

    def __init__(self, count_input: Callable[[], int]) -> None:
        self._count_input = count_input
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
        seen = estimate_tokens(self._characters)
        return seen if self._reported is None else max(seen, self._reported.output)

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
