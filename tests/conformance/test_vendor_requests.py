"""What every vendor's provider sends: pictures, schemas, names, ids, results, and what is another vendor's business.

The vendors' words differ; what is asked here is what they must share, found anywhere in the body. The exact words are
in each provider's own tests.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest

from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest, ToolCallReady, ToolSpec
from tests.agent.chat_server import Answer
from tests.conformance.vendor_kit import (
    REQUEST,
    SALES,
    answer_of,
    answered,
    arguments_of,
    assert_results_answer_calls,
    each,
    exchange,
    heard,
    objects_in,
    strings_in,
    vendor_name,
    vendors,
    without_types,
)
from tests.conformance.vendors.vendor import KEY, Behaviour, Vendor

FOREIGN: Final = "foreign-canary-1234567890"
PIXEL: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # one PNG
)
CAT: Final = "https://example.com/pictures/cat.png"
TOTALS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"total": {"type": "integer", "description": "How many."}},
    "required": ["total"],
    "additionalProperties": False,
}
_ID_KEYS: Final = ("id", "tool_call_id", "call_id", "tool_use_id")
_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def asking(*messages: ModelMessage, tools: tuple[ToolSpec, ...] = ()) -> ModelRequest:
    return ModelRequest(model="m-1", messages=messages, tools=tools)


async def sent(vendor: Vendor, request: ModelRequest) -> dict[str, Any]:
    """The body of a request that is answered."""
    return (await answered(vendor, answer_of(vendor, "text"), request)).body


def tool(name: str, **parameters: Any) -> ToolSpec:
    schema = {"type": "object", "properties": {}} | parameters
    return ToolSpec(name=name, title=name, description=f"Does {name}.", parameters=schema)


# ---------------------------------------------------------------- what is asked


@vendors()
async def test_instructions_words_and_limits_reach_the_vendor_and_the_key_only_in_a_header(vendor: Vendor) -> None:
    request = ModelRequest(
        model="m-1",
        messages=(SystemMessage(content="Be brief."), UserMessage(content="Olá, ação? 😀")),
        max_output_tokens=4321,
        temperature=0.25,
    )

    shown = await answered(vendor, answer_of(vendor, "text"), request)

    values = [value for one in objects_in(shown.body) for value in one.values()]
    said = " ".join(strings_in(shown.body))
    assert said.index("Be brief.") != said.index("Olá, ação? 😀")
    assert {4321, 0.25} <= {value for value in values if isinstance(value, int | float)}
    assert KEY not in json.dumps(shown.body)
    assert KEY not in shown.heads[0].split("\r\n")[0]


@vendors()
async def test_a_picture_as_data_reaches_the_vendor_with_its_kind_and_the_words(vendor: Vendor) -> None:
    body = await sent(vendor, asking(UserMessage(content="O que é?", images=(f"data:image/png;base64,{PIXEL}",))))

    said = list(strings_in(body))
    assert any(PIXEL in text for text in said)
    assert any("O que é?" in text for text in said)


@vendors()
async def test_a_picture_by_its_address_reaches_the_vendor_or_is_refused_in_words(
    vendor: Vendor, record_property: Any
) -> None:
    request = asking(UserMessage(content="O que é?", images=(CAT,)))

    shown = await exchange(vendor, answer_of(vendor, "text"), request)

    if shown.failure is not None:
        record_property("cell", "refused")
        assert not shown.failure.retryable
        assert shown.bodies == []
        assert "image" in shown.failure.message or "picture" in shown.failure.message
    else:
        assert any(CAT in text for text in strings_in(shown.body))


@each("structured")
async def test_the_schema_of_an_answer_reaches_the_vendor_and_the_answer_is_its_text(
    vendor: Vendor, behaviour: Behaviour
) -> None:
    request = ModelRequest(model="m-1", messages=(UserMessage(content="Quantos?"),), output_schema=TOTALS)

    shown = await answered(vendor, answer_of(vendor, behaviour), request)

    schemas = [one for one in objects_in(shown.body) if "total" in one.get("properties", {})]
    assert [(one["type"].lower(), one["required"]) for one in schemas] == [("object", ["total"])]
    assert json.loads(heard(shown.events).text) == {"total": 4}


# ---------------------------------------------------------------- tools

NAMES: Final = (
    "crm.contacts.find",
    "crm_contacts_find",
    "1st",
    "relatório de vendas",
    "x" * 70 + ".a",
    "x" * 70 + ".b",
)


@vendors()
async def test_names_of_tools_go_out_as_the_vendor_takes_them_and_come_back_as_ours(vendor: Vendor) -> None:
    tools = tuple(tool(name) for name in NAMES)

    def every_one(body: dict[str, Any]) -> Answer:
        return vendor.answer_with_calls([(name, {"n": index}) for index, (name, _) in enumerate(vendor.tools_in(body))])

    shown = await answered(vendor, every_one, asking(UserMessage(content="Todos."), tools=tools))

    calls = [(name, arguments_of(arguments)) for name, arguments in heard(shown.events).calls]
    assert calls == [(name, {"n": index}) for index, name in enumerate(NAMES)]


@vendors()
async def test_a_call_of_the_history_has_the_name_under_which_its_tool_is_offered(vendor: Vendor) -> None:
    call = ToolCall(call_id="call_1", name="crm.contacts.find", arguments='{"q": "Ana"}')
    messages = (
        UserMessage(content="Quem?"),
        AssistantMessage(content="", tool_calls=(call,), provider="another"),
        ToolMessage(call_id="call_1", name="crm.contacts.find", content="Ana Souza"),
    )

    body = await sent(vendor, asking(*messages, tools=(tool("crm_contacts_find"), tool("crm.contacts.find"))))

    name = vendor.tools_in(body)[1][0]
    assert list(strings_in(body)).count(name) >= 2, "in the offer and in the history"


@vendors()
async def test_what_a_model_calls_that_was_never_offered_keeps_its_name(vendor: Vendor) -> None:
    answer = vendor.answer_with_calls([("made_up", {})])

    shown = await answered(vendor, answer, asking(UserMessage(content="Quem?"), tools=(SALES,)))

    assert [name for name, _ in heard(shown.events).calls] == ["made_up"]


@vendors()
async def test_parameters_reach_the_vendor_with_their_fields_and_what_is_required(vendor: Vendor) -> None:
    nested = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    spec = tool(
        "look",
        properties={"place": nested, "days": {"type": "array", "items": {"type": "integer"}}},
        required=["place"],
    )

    body = await sent(vendor, asking(UserMessage(content="Onde?"), tools=(spec, tool("nothing"))))

    (_, parameters), (_, none) = vendor.tools_in(body)
    assert list(parameters["properties"]) == ["place", "days"]
    assert parameters["required"] == ["place"]
    assert list(parameters["properties"]["place"]["properties"]) == ["city"]
    assert not none.get("properties")


@vendors()
async def test_results_of_parallel_calls_go_back_to_their_calls(vendor: Vendor) -> None:
    asked = (await answered(vendor, answer_of(vendor, "calls"))).events
    calls = tuple(event.call for event in asked if isinstance(event, ToolCallReady))
    said = AssistantMessage(content="", tool_calls=calls, provider=vendor_name(vendor), opaque=heard(asked).opaque)
    results = (
        ToolMessage(call_id=calls[0].call_id, name=calls[0].name, content="revenue was 10"),
        ToolMessage(call_id=calls[1].call_id, name=calls[1].name, content="no market today", failed=True),
    )

    body = await sent(vendor, asking(UserMessage(content="Quanto?"), said, *results, tools=REQUEST.tools))

    told = " ".join(strings_in(body))
    assert 0 <= told.find("revenue was 10") < told.find("no market today")
    assert_results_answer_calls(body)


# ---------------------------------------------------------------- history that another vendor made


@vendors()
@pytest.mark.parametrize(
    "ids", [("functions.look:0", "functions.look:1"), ("ação/1", "x" * 64)], ids=["kimis", "odd_and_long"]
)
async def test_ids_of_another_vendor_are_made_acceptable(vendor: Vendor, ids: tuple[str, str]) -> None:
    calls = tuple(ToolCall(call_id=one, name="market", arguments="{}") for one in ids)
    results = tuple(ToolMessage(call_id=one, name="market", content=f"result {n}") for n, one in enumerate(ids))
    said = AssistantMessage(content="I look.", tool_calls=calls, provider="another")

    body = await sent(vendor, asking(UserMessage(content="Quanto?"), said, *results, tools=REQUEST.tools))

    given = [one[key] for one in objects_in(body) for key in _ID_KEYS if isinstance(one.get(key), str)]
    assert [one for one in given if not _ID.fullmatch(one)] == []
    assert not set(strings_in(body)) & {one for one in ids if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one)}
    assert_results_answer_calls(body)


@vendors()
async def test_another_vendors_opaque_parts_are_not_sent(vendor: Vendor) -> None:
    opaque = {"items": [{"type": "reasoning", "encrypted_content": FOREIGN}], "thinking": FOREIGN, "parts": [FOREIGN]}
    extra = {"extra_content": {"google": {"thought_signature": FOREIGN}}, "thoughtSignature": FOREIGN}
    call = ToolCall(call_id="call_1", name="market", arguments="{}", opaque=extra)
    messages = (
        UserMessage(content="Quanto?"),
        AssistantMessage(content="I look.", tool_calls=(call,), provider="another", opaque=opaque),
        ToolMessage(call_id="call_1", name="market", content="10"),
        AssistantMessage(content="Dez.", provider="another", opaque=opaque),
        UserMessage(content="E ontem?"),
    )

    body = await sent(vendor, asking(*messages, tools=REQUEST.tools))

    said = " ".join(strings_in(body))
    assert FOREIGN not in json.dumps(body)
    assert said.index("I look.") < said.index("Dez.") < said.index("E ontem?")


@each("reasoning", "reasoning_call", "calls", "text")
async def test_its_own_opaque_parts_come_back_unchanged(vendor: Vendor, behaviour: Behaviour) -> None:
    private, body = await _gone_on(vendor, behaviour, vendor_name(vendor))

    there = set(strings_in(body))
    assert [one for one in private if one not in there] == []


@each("reasoning_call")
async def test_what_was_thought_before_a_call_comes_back_with_its_result(vendor: Vendor, behaviour: Behaviour) -> None:
    private, body = await _gone_on(vendor, behaviour, vendor_name(vendor))

    assert private, "there is something to keep"
    assert set(private) <= set(strings_in(body))


@each("reasoning", "reasoning_call", "calls", "text")
async def test_opaque_parts_of_its_own_kind_that_another_made_are_not_sent(
    vendor: Vendor, behaviour: Behaviour
) -> None:
    private, body = await _gone_on(vendor, behaviour, "another")

    there = set(strings_in(body))
    assert [one for one in private if one in there] == []


async def _gone_on(vendor: Vendor, behaviour: Behaviour, provider: str) -> tuple[list[str], dict[str, Any]]:
    """What is private in the vendor's answer, and the next request, in whose history `provider` gave that answer."""
    events = (await answered(vendor, answer_of(vendor, behaviour))).events
    calls = tuple(event.call for event in events if isinstance(event, ToolCallReady))
    text, opaque = heard(events).text, heard(events).opaque
    said = AssistantMessage(content=text, tool_calls=calls, provider=provider, opaque=opaque)
    results = tuple(ToolMessage(call_id=call.call_id, name=call.name, content="10") for call in calls)
    more = (said, *results) if calls else (said, UserMessage(content="E?"))

    body = await sent(vendor, asking(*REQUEST.messages, *more, tools=REQUEST.tools))

    ids = {call.call_id for call in calls}
    held = [*strings_in(without_types(opaque)), *(one for call in calls for one in strings_in(call.opaque))]
    private = [one for one in held if len(one) > len("m-1") and one not in ids]  # such as a signature
    return private, body
