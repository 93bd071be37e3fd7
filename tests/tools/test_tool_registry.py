"""`@tool`, the schemas made of signatures, lenient and strict reading of arguments, and calls under their limits."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import FakeClock
from core.errors import ToolError
from core.ports import ToolContext, ToolOutcome
from tools import Registry, Tool, tool, tools_of


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A place."""

    x: int
    label: str | None = None


class Tree(msgspec.Struct):
    children: list[Tree]


@tool(title="Greet")
async def greet(name: str, context: ToolContext, times: Annotated[int, msgspec.Meta(ge=1, le=3)] = 1) -> str:
    """Greet somebody.

    Politely.

    Args:
        name: Whom to
            greet.
        context: Who asks.
        times: How often.
    """
    return f"{context.user_id}: " + f"hello {name} " * times


@tool(title="Plot", effect="idempotent", parallel=False, timeout_s=3, output_cap=100, name="plot-points")
def plot(points: list[Point], colour: Literal["red", "green"] = "red", at: Point | None = None) -> dict[str, Any]:
    """Plot points.

    Args:
        points: Where.
        colour: In which colour.
        at: Around what.
    """
    return {"count": len(points), "colour": colour, "at": at}


@tool(title="Misbehave")
async def misbehave(how: Literal["crash", "refuse", "time_out", "own_timeout", "long", "chatty"]) -> Any:
    """Misbehave.

    Args:
        how: In which way.
    """
    match how:
        case "crash":
            raise RuntimeError("secret path /etc/prosa")
        case "refuse":
            raise ToolError("not today", code="not_found")
        case "time_out":
            await asyncio.Event().wait()
        case "own_timeout":
            raise TimeoutError("of something else")
        case "long":
            return "x" * 20_000
        case "chatty":
            return ToolOutcome(content="short", summary="s" * 400)
    return None


class Shop:
    """Tools that need something."""

    def __init__(self, stock: int) -> None:
        self._stock = stock

    @tool(title="Stock")
    async def stock(self) -> int:
        """How many there are."""
        return self._stock

    @tool(title="Is open")
    async def is_open(self) -> bool:
        """Whether it is open."""
        return True

    async def secret(self) -> int:
        """No tool."""
        return 0


@pytest.fixture
def registry() -> Registry:
    return Registry([Tool(greet), Tool(plot), Tool(misbehave), *tools_of(Shop(3))], clock=FakeClock())


# ---------------------------------------------------------------- what a model is told


def test_name_description_and_parameters_come_from_the_function() -> None:
    spec = Tool(greet).spec

    assert (spec.name, spec.title, spec.description) == ("greet", "Greet", "Greet somebody.\n\nPolitely.")
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Whom to greet."},
            "times": {"type": "integer", "minimum": 1, "maximum": 3, "default": 1, "description": "How often."},
        },
        "required": ["name"],
        "additionalProperties": False,
    }


def test_options_of_the_decorator_are_in_the_spec() -> None:
    spec = Tool(plot).spec

    assert (spec.name, spec.effect, spec.parallel) == ("plot-points", "idempotent", False)
    assert (spec.timeout_s, spec.output_cap) == (3, 100)


def test_nested_types_are_inlined_and_closed() -> None:
    schema = Tool(plot).spec.parameters

    text = msgspec.json.encode(schema).decode()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "$ref" not in text
    assert "$defs" not in text
    assert '"title"' not in text
    assert schema["properties"]["points"]["items"]["additionalProperties"] is False
    assert schema["properties"]["colour"]["type"] == "string"


def test_a_description_may_depend_on_what_the_tool_was_built_with() -> None:
    assert Tool(greet, description="Greets in Portuguese.").spec.description == "Greets in Portuguese."


def test_a_decorated_function_stays_callable() -> None:
    assert plot([]) == {"count": 0, "colour": "red", "at": None}


def test_methods_are_tools_in_the_order_of_their_class() -> None:
    assert [item.spec.name for item in tools_of(Shop(1))] == ["stock", "is_open"]


def test_specs_stand_in_a_stable_order(registry: Registry) -> None:
    names = [spec.name for spec in registry.specs()]

    assert names == ["greet", "is_open", "misbehave", "plot-points", "stock"]


def test_an_agent_may_have_fewer_tools(registry: Registry) -> None:
    fewer = registry.only(["stock"])

    assert [spec.name for spec in fewer.specs()] == ["stock"]
    with pytest.raises(KeyError):
        registry.only(["unknown"])


def _undocumented(x: int) -> None: ...


def _undescribed(x: int) -> None:
    """Does something."""


def _without_hint(x) -> None:  # type: ignore[no-untyped-def]
    """Does something.

    Args:
        x: A thing.
    """


def _variadic(*x: int) -> None:
    """Does something.

    Args:
        x: Things.
    """


def _endless(x: Tree) -> None:
    """Does something.

    Args:
        x: A tree.
    """


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_undocumented, "needs a docstring"),
        (_undescribed, "not described"),
        (_without_hint, "needs a type hint"),
        (_variadic, "can be named"),
        (_endless, "holds itself"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused_when_it_is_made_one(function: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Tool(tool(title="x")(function))


def test_a_function_without_the_decorator_is_no_tool() -> None:
    with pytest.raises(TypeError, match="not marked"):
        Tool(len)


@pytest.mark.parametrize("name", ["has spaces", "x" * 65, "ação", "a.b", " "])
def test_a_name_that_vendors_refuse_is_refused(name: str) -> None:
    @tool(title="x", name=name)
    def named() -> None:
        """Do nothing."""

    with pytest.raises(ValueError, match="cannot be a tool's name"):
        Tool(named)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two tools are named 'greet'"):
        Registry([Tool(greet), Tool(greet)])


@tool(title="Defaults")
def with_defaults(words: list[str] = ["a", "b"], pair: tuple[int, ...] = ()) -> str:  # noqa: B006
    """Give back.

    Args:
        words: Words.
        pair: Numbers.
    """
    words.append("c")
    return f"{words} {pair}"


async def test_defaults_are_fresh_for_every_call(context: ToolContext) -> None:
    registry = Registry([Tool(with_defaults)])

    first = await registry.call("with_defaults", {}, context)
    second = await registry.call("with_defaults", {}, context)

    assert first.content == second.content == "['a', 'b', 'c'] ()"


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"name": "Ana"}', {"name": "Ana"}, id="json"),
        pytest.param('```json\n{"name": "Ana"}\n```', {"name": "Ana"}, id="fenced"),
        pytest.param('```{"name": "Ana"}```', {"name": "Ana"}, id="fenced_without_a_language"),
        pytest.param('"{\\"name\\": \\"Ana\\"}"', {"name": "Ana"}, id="json_inside_json"),
        pytest.param('{"name": "Ana", "times": null}', {"name": "Ana"}, id="null_for_an_optional_field"),
        pytest.param('  {"name": "Ana"}\n', {"name": "Ana"}, id="spaces"),
    ],
)
def test_arguments_are_read_leniently(registry: Registry, text: str, expected: dict[str, Any]) -> None:
    assert registry.check("greet", text) == expected


@pytest.mark.parametrize("text", ["", "  ", "null", "{}", "```\n```"])
def test_no_arguments_are_an_empty_object(registry: Registry, text: str) -> None:
    assert registry.check("stock", text) == {}


def test_null_stays_where_it_means_something(registry: Registry) -> None:
    assert registry.check("plot-points", '{"points": [], "at": null}') == {"points": [], "at": None}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("greet", "{}", "name is required but missing. Fields of greet: name, times."),
        ("greet", '{"name": null}', 'name: null is not of type "string"'),
        ("greet", '{"name": 7}', 'name: 7 is not of type "string"'),
        ("greet", '{"name": "A", "times": 9}', "times: 9 is greater than the maximum of 3"),
        ("greet", '{"name": "A", "nmae": 1}', "nmae is not a field here"),
        ("greet", "[1]", r"must be a JSON object; got \[1\]"),
        ("greet", '{"name": ', "are not JSON"),
        ("greet", "[" * 100_000, "are (not JSON|nested too deeply)"),
        ("greet", '{"a":' * 500 + "1" + "}" * 500, "nested too deeply"),
        ("greet", '"\ud800"', "are not JSON"),
        ("plot-points", '{"points": [{"x": 1}, {"y": 2}]}', r"points\[1\].x is required but missing"),
        (
            "plot-points",
            '{"points": [], "colour": "gren"}',
            r'colour is "gren"; allowed: "green", "red" \(nearest: green',
        ),
        ("plot-points", '{"points": [], "colour": 5}', 'colour is 5; allowed: "green", "red"'),
        ("plot-points", '{"points": [], "at": 5}', "at is 5; expected"),
        ("plot-points", '{"points": {"x": "' + "y" * 500 + '"}}', "…"),
        ("plot-points", '{"points": [1,2,3,4,5,6,7]}', "and 2 more"),
        ("stock", '{"x": 1}', "stock takes no arguments"),
        ("greeet", "{}", "There is no tool named 'greeet'. Did you mean greet"),
        ("zzzzzz", "{}", "Tools: greet, is_open"),
    ],
)
def test_wrong_arguments_are_answered_by_what_is_wrong_and_what_is_expected(
    registry: Registry, name: str, text: str, message: str
) -> None:
    with pytest.raises(ToolError, match=message) as caught:
        registry.check(name, text)

    assert caught.value.code == "invalid_request"
    assert len(caught.value.message) < 1_500


def read_or_refused(text: str) -> dict[str, Any] | str:
    try:
        return Registry([Tool(Shop(1).stock)]).check("stock", text)
    except ToolError as error:
        return error.code


@given(text=st.text(max_size=80))
def test_any_text_is_an_object_or_a_tool_error(text: str) -> None:
    assert read_or_refused(text) in ({}, "invalid_request")


# ---------------------------------------------------------------- calls


async def test_the_context_is_injected_and_not_asked_of_the_model(registry: Registry, context: ToolContext) -> None:
    outcome = await registry.call("greet", {"name": "Ana", "times": 2}, context)

    assert outcome == ToolOutcome(
        content="user: hello Ana hello Ana ", summary="Greet", result="user: hello Ana hello Ana "
    )


async def test_a_plain_function_gets_typed_values_and_gives_json(registry: Registry, context: ToolContext) -> None:
    outcome = await registry.call("plot-points", {"points": [{"x": 1}], "at": {"x": 2}}, context)

    assert msgspec.json.decode(outcome.content) == {"count": 1, "colour": "red", "at": {"x": 2, "label": None}}


async def test_a_method_has_its_object(registry: Registry, context: ToolContext) -> None:
    assert (await registry.call("stock", {}, context)).content == "3"


async def test_a_crash_tells_nothing_of_the_inside(registry: Registry, context: ToolContext) -> None:
    with pytest.raises(ToolError, match="internal error") as caught:
        await registry.call("misbehave", {"how": "crash"}, context)

    assert "secret" not in caught.value.message
    assert caught.value.code == "tool_failed"


async def test_a_tools_own_error_passes_as_it_is(registry: Registry, context: ToolContext) -> None:
    with pytest.raises(ToolError, match="not today") as caught:
        await registry.call("misbehave", {"how": "refuse"}, context)

    assert caught.value.code == "not_found"


@tool(title="Wait", timeout_s=0.01)
async def wait_for_ever() -> None:
    """Wait."""
    await asyncio.Event().wait()


async def test_a_tool_that_takes_too_long_is_stopped(context: ToolContext) -> None:
    with pytest.raises(ToolError, match=r"did not finish within 0\.01 s") as caught:
        await Registry([Tool(wait_for_ever)]).call("wait_for_ever", {}, context)

    assert caught.value.retryable


async def test_a_timeout_inside_a_tool_is_not_taken_for_its_own(registry: Registry, context: ToolContext) -> None:
    with pytest.raises(ToolError, match="internal error"):
        await registry.call("misbehave", {"how": "own_timeout"}, context)


async def test_a_cancelled_call_is_cancelled(registry: Registry, context: ToolContext) -> None:
    running = asyncio.create_task(registry.call("misbehave", {"how": "time_out"}, context))
    await asyncio.sleep(0)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_content_over_the_cap_is_cut_with_a_note_inside_the_cap(registry: Registry, context: ToolContext) -> None:
    outcome = await registry.call("misbehave", {"how": "long"}, context)

    assert len(outcome.content) == 16_000
    assert outcome.content.endswith("ask for less to see the rest]")
    assert "20000 characters" in outcome.content


async def test_a_summary_is_at_most_300_characters(registry: Registry, context: ToolContext) -> None:
    outcome = await registry.call("misbehave", {"how": "chatty"}, context)

    assert len(outcome.summary) == 300
    assert outcome.content == "short"


async def test_unchecked_arguments_that_do_not_fit_are_a_tool_error(registry: Registry, context: ToolContext) -> None:
    with pytest.raises(ToolError, match="Arguments of greet are wrong") as caught:
        await registry.call("greet", {"name": 7}, context)

    assert caught.value.code == "invalid_request"


async def test_calling_an_unknown_tool_is_a_tool_error(registry: Registry, context: ToolContext) -> None:
    with pytest.raises(ToolError, match="There is no tool"):
        await registry.call("unknown", {}, context)
