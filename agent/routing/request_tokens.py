"""About how many input tokens a whole request is: its messages, and the tools that go with it."""

from __future__ import annotations

from typing import Final

import msgspec

from agent.budget import TokenCounter, estimate_tokens
from agent.context import count_tokens
from core.models import ModelRequest, ToolSpec

_REMEMBERED: Final = 1_000


class RequestTokens:
    """Counts requests. A tool's schema is counted once: the same objects come with every request."""

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._tools: dict[int, tuple[ToolSpec, int]] = {}  # by identity; the object is kept, so it is no other's

    def of(self, request: ModelRequest) -> int:
        """The estimate for one request; vendors add a few tokens a message of their own, which are in it."""
        tokens = count_tokens(request.messages, self._counter) + sum(map(self._of_tool, request.tools))
        if request.output_schema is not None:
            tokens += estimate_tokens(len(msgspec.json.encode(request.output_schema)))
        return tokens

    def _of_tool(self, spec: ToolSpec) -> int:
        known = self._tools.get(id(spec))
        if known is not None:
            return known[1]
        if len(self._tools) >= _REMEMBERED:
            self._tools.clear()
        tokens = estimate_tokens(len(spec.name) + len(spec.description) + len(msgspec.json.encode(spec.parameters)))
        self._tools[id(spec)] = spec, tokens
        return tokens
