"""`@tool` makes a tool of a function; what the model is told comes from its name, type hints and docstring.

To add a tool, write one file with a function (or a class with methods, where it needs things such as an
engine) and its test, and hand it to `Registry` in the wiring:

    @tool(title="Add numbers")
    async def add(left: int, right: int) -> str:
        \"\"\"Add two whole numbers.

        Args:
            left: The first number.
            right: The second number.
        \"\"\"
        return str(left + right)

The docstring's summary and text are the description; its `Args` section describes each parameter and may
leave none out. A parameter of type `core.ports.ToolContext` is injected. What is returned: a `ToolOutcome`,
or text, or anything that msgspec writes as JSON (the title is then the summary). Raise `ToolError` with a
message for the model; any other exception becomes a ToolError that tells nothing. A plain function runs in
a thread, which goes on after a timeout: prefer `async def`.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import docstring_parser
import msgspec

from core.models import Effect, ToolSpec
from core.ports import ToolContext, ToolOutcome
from tools.schema import Signature, read_signature

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What OpenAI, Anthropic and Gemini all take as a function's name."""

_MARK: Final = "__prosa_tool__"

DataVersion = Callable[[], Awaitable[str]]
"""Gives another text where data may have changed. Raises ToolError where it cannot tell."""
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class ToolOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `@tool` was given."""

    title: str
    titles: Mapping[str, str]
    effect: Effect
    name: str | None
    parallel: bool
    timeout_s: float
    output_cap: int


def tool(
    *,
    title: str,
    titles: Mapping[str, str] | None = None,
    effect: Effect = "read",
    name: str | None = None,
    parallel: bool = True,
    timeout_s: float = 20.0,
    output_cap: int = 16_000,
) -> Callable[[AnyFunction], AnyFunction]:
    """Mark a function or method as a tool; it stays callable as it was.

    `title` is for people, `titles` are its translations by language (`pt`). `effect`: what a second run would do.
    `name`: default the function's.
    `parallel`: may run beside other tools. `output_cap`: characters of a result that go to the model.
    """
    options = ToolOptions(
        title=title,
        titles=titles or {},
        effect=effect,
        name=name,
        parallel=parallel,
        timeout_s=timeout_s,
        output_cap=output_cap,
    )

    def mark(function: AnyFunction) -> AnyFunction:
        setattr(function, _MARK, options)
        return function

    return mark


class Tool:
    """A tool that is ready to run: its spec, and `run`. Made from a function under `@tool`."""

    def __init__(
        self, function: Callable[..., Any], *, description: str | None = None, version: DataVersion | None = None
    ) -> None:
        """Read the function. `description` replaces the docstring's, where it depends on what the tool was built with.

        `version` tells what the data is at that its results come from: with it, and effect `read`, answers that rest
        on the tool may be cached until the version is another. Tools whose results depend on more must have none.

        Raises TypeError for a function without `@tool`, docstring, hints or described parameters, and
        ValueError for a name that vendors refuse.
        """
        options = getattr(function, _MARK, None)
        if not isinstance(options, ToolOptions):
            raise TypeError(f"{function!r} is not marked with @tool")
        text, described = _documentation(function)
        self._function = function
        self.version: Final = version if options.effect == "read" else None
        self._signature: Signature = read_signature(function, described)
        self.spec: Final = ToolSpec(
            name=_checked_name(options.name or function.__name__),
            title=options.title,
            titles=dict(options.titles),
            description=description or text,
            parameters=self._signature.schema,
            effect=options.effect,
            parallel=options.parallel,
            timeout_s=options.timeout_s,
            output_cap=options.output_cap,
            cacheable=self.version is not None,
        )

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> ToolOutcome:
        """Call the function with checked arguments. Raises what it raises, msgspec.ValidationError for others."""
        values = msgspec.structs.asdict(msgspec.convert(arguments, self._signature.arguments))
        if self._signature.context_parameter is not None:
            values[self._signature.context_parameter] = context
        if inspect.iscoroutinefunction(self._function):
            return self._outcome(await self._function(**values))
        return self._outcome(await asyncio.to_thread(self._function, **values))

    def _outcome(self, value: Any) -> ToolOutcome:
        if isinstance(value, ToolOutcome):
            return value
        content = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        return ToolOutcome(content=content, summary=self.spec.title, result=value)


def tools_of(owner: object) -> tuple[Tool, ...]:
    """The tools among an object's methods, in the order in which its class defines them."""
    names = [name for name, value in vars(type(owner)).items() if isinstance(getattr(value, _MARK, None), ToolOptions)]
    return tuple(Tool(getattr(owner, name)) for name in names)


def _documentation(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    parsed = docstring_parser.parse(inspect.getdoc(function) or "")
    text = "\n\n".join(part for part in (parsed.short_description, parsed.long_description) if part)
    if not text:
        raise TypeError(f"{function.__qualname__} needs a docstring: it is what the model is told")
    return text, {item.arg_name: " ".join((item.description or "").split()) for item in parsed.params}


def _checked_name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot be a tool's name: vendors take {_NAME.pattern}")
    return name
