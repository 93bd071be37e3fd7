"""The tools that a turn may use, run under their limits: the implementation of `core.ports.Tools`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from loguru import logger

from core.clock import Clock, SystemClock
from core.errors import ToolError
from core.models import ToolSpec
from core.ports import ToolContext, ToolOutcome
from tools.arguments import ArgumentsReader, nearest
from tools.decorator import Tool

_SUMMARY_CHARS: Final = 300
"""protocol.md, `tool.completed`: a sentence of at most 300 characters."""


class Registry:
    """Holds tools by name. `specs` are sorted by name, so that a model's prompt cache sees the same text each time."""

    def __init__(self, tools: Iterable[Tool], *, clock: Clock | None = None) -> None:
        """Raises ValueError where two tools have one name."""
        self._clock = clock or SystemClock()
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.spec.name in self._tools:
                raise ValueError(f"two tools are named {tool.spec.name!r}")
            self._tools[tool.spec.name] = tool
        self._readers = {name: ArgumentsReader(name, tool.spec.parameters) for name, tool in self._tools.items()}
        self._specs = tuple(self._tools[name].spec for name in sorted(self._tools))

    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told, in a stable order."""
        return self._specs

    def only(self, names: Iterable[str]) -> Registry:
        """A registry of these tools, for an agent that may use no others. Raises KeyError for an unknown name."""
        return Registry((self._tools[name] for name in names), clock=self._clock)

    def check(self, name: str, arguments: str) -> dict[str, Any]:
        """Parse and validate arguments. Raises ToolError `invalid_request` with a message for the model."""
        self._find(name)
        return self._readers[name].read(arguments)

    async def call(self, name: str, arguments: dict[str, Any], context: ToolContext) -> ToolOutcome:
        """Run a tool with checked arguments under its timeout and output cap.

        Raises ToolError: the tool's own; `tool_failed` for a timeout or for any other exception, whose
        text stays in the log of this node.
        """
        tool = self._find(name)
        started_s = self._clock.monotonic_s()
        try:
            outcome = await _run(tool, arguments, context)
        except ToolError as error:
            logger.info("tool.failed", tool=name, call_id=context.call_id, code=error.code)
            raise
        duration_ms = round((self._clock.monotonic_s() - started_s) * 1000)
        logger.debug("tool.completed", tool=name, call_id=context.call_id, duration_ms=duration_ms)
        return _capped(outcome, tool.spec.output_cap)

    async def data_version(self, names: Iterable[str]) -> str:
        """The versions of the data behind these tools; each source is asked once. Raises ToolError."""
        sources = dict.fromkeys(
            version
            for name in sorted(names)
            if name in self._tools and (version := self._tools[name].version) is not None
        )
        return "\n".join([await version() for version in sources])

    def _find(self, name: str) -> Tool:
        tool = self._tools.get(name)
        if tool is not None:
            return tool
        near = nearest(name, list(self._tools), count=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        known = ", ".join(sorted(self._tools)) or "none"
        raise ToolError(f"There is no tool named {name[:64]!r}.{hint} Tools: {known}.", code="invalid_request")


async def _run(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> ToolOutcome:
    name = tool.spec.name
    deadline = asyncio.timeout(tool.spec.timeout_s)
    try:
        async with deadline:
            return await tool.run(arguments, context)
    except ToolError:
        raise
    except msgspec.ValidationError as error:
        raise ToolError(f"Arguments of {name} are wrong: {error}.", code="invalid_request") from error
    except Exception as error:
        if isinstance(error, TimeoutError) and deadline.expired():
            raise ToolError(
                f"{name} did not finish within {tool.spec.timeout_s:g} s. {_advice(tool, 'Ask for less, or go on')}",
                retryable=tool.spec.effect != "once",
            ) from error
        logger.opt(exception=error).error("tool.crashed", tool=name, call_id=context.call_id)
        raise ToolError(f"{name} failed because of an internal error. {_advice(tool, 'Go on')}") from error


def _advice(tool: Tool, otherwise: str) -> str:
    """What the model shall do now; a tool that acts once may have acted before it broke off."""
    if tool.spec.effect == "once":
        return "Whether it took effect is unknown. Do not call it again; tell the user."
    return f"{otherwise} without it."


def _capped(outcome: ToolOutcome, cap: int) -> ToolOutcome:
    """Cut content over the cap, with a note that says so inside the cap, and a summary over its length."""
    content, summary = outcome.content, outcome.summary
    if len(content) > cap:
        note = f"\n[cut: {len(content)} characters, the first {cap} are shown; ask for less to see the rest]"
        content = content[: max(0, cap - len(note))] + note
    if len(summary) > _SUMMARY_CHARS:
        summary = summary[: _SUMMARY_CHARS - 1] + "…"
    if content is outcome.content and summary is outcome.summary:
        return outcome
    return msgspec.structs.replace(outcome, content=content, summary=summary)
