"""What the Anthropic provider sends: the conversation by the vendor's rules, tools, schemas, limits, and where it goes.

Thoughts on their way back are `test_anthropic_thoughts.py`'s.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.providers.anthropic import AnthropicProvider
from agent.providers.anthropic_schema import input_schema, output_schema
from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelFinished, ModelRequest
from tests.agent.anthropic_rules import assert_accepted
from tests.agent.anthropic_support import (
    LOOK,
    OK,
    REQUEST,
    USER,
    answered,
    asked,
    calls_of,
    messages_of,
    read,
    result,
    said,
    sent,
    use,
)
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.vendors.anthropic import call, end, start

# ---------------------------------------------------------------- the conversation


async def test_the_request_holds_the_conversation_in_the_vendors_words(server: ChatServer) -> None:
    server.play(OK)
    called = ToolCall(
        call_id="toolu_1", name="look", arguments='{"at":"São Paulo"}', opaque={"extra_content": {"s": 1}}
    )
    request = ModelRequest(
        model="claude-sonnet-4-5",
        messages=(
            SystemMessage(content="Be brief."),
            USER,
            AssistantMessage(content="Let me see.", tool_calls=(called,), provider="google"),
            answered("toolu_1", failed=True),
            AssistantMessage(content="Dez."),
            UserMessage(content="E ontem?"),
        ),
        tools=(LOOK,),
        max_output_tokens=50,
        temperature=0.5,
    )

    await read(server, request)

    assert server.bodies[0] == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 50,
        "system": "Be brief.",
        "tools": [{"name": "look", "description": "Looks.", "input_schema": LOOK.parameters}],
        "messages": [
            {"role": "user", "content": [said("Quanto?")]},
            {"role": "assistant", "content": [said("Let me see."), use("toolu_1", at="São Paulo")]},
            {"role": "user", "content": [result("toolu_1", "10") | {"is_error": True}]},
            {"role": "assistant", "content": [said("Dez.")]},
            {"role": "user", "content": [said("E ontem?")]},
        ],
        "stream": True,
        "temperature": 0.5,
    }
    assert_accepted(server.bodies[0])


def test_the_results_of_parallel_calls_open_the_next_message_before_what_the_user_says() -> None:
    messages = messages_of(USER, asked("a", "b"), answered("b", "2"), answered("a", "1"), UserMessage(content="E?"))

    assert messages[2]["content"] == [result("b", "2"), result("a", "1"), said("E?")]


def test_a_call_that_nobody_answered_gets_a_result_that_says_so() -> None:
    messages = messages_of(USER, asked("a", "b"), answered("a"), UserMessage(content="E?"))

    first, second, last = messages[2]["content"]
    assert first == result("a", "10")
    assert (second["tool_use_id"], second["is_error"]) == ("b", True)
    assert "may or may not have run" in second["content"]
    assert last == said("E?")


def test_a_second_result_is_left_out() -> None:
    messages = messages_of(USER, asked("a"), answered("a", "1"), answered("a", "2"))

    assert messages[2]["content"] == [result("a", "1")]


def test_a_result_that_no_call_asked_for_is_told_as_a_text() -> None:
    messages = messages_of(USER, answered("lost", "10"))

    assert messages == [{"role": "user", "content": [said("Quanto?"), said("[Result of look] 10")]}]


def test_an_empty_result_has_no_content() -> None:
    messages = messages_of(USER, asked("a"), answered("a", " "))

    assert messages[2]["content"] == [{"type": "tool_result", "tool_use_id": "a"}]


def test_ids_of_other_vendors_are_made_acceptable_and_unlike() -> None:
    first, second = asked("call:é", ""), asked("0", content="Again.")
    messages = messages_of(
        USER,
        first,
        answered("call:é", "1"),
        answered("", "2"),
        asked("0"),
        answered("0", "3"),
        second,
        answered("0", "4"),
    )

    ids = [block["id"] for message in messages for block in message["content"] if block["type"] == "tool_use"]
    assert ids[2:] == ["0", "0--2"]
    assert len(set(ids)) == 4
    given = [block["content"] for message in messages for block in message["content"] if block["type"] == "tool_result"]
    assert given == ["1", "2", "3", "4"]


def test_messages_of_one_side_are_one_message_and_empty_ones_are_none() -> None:
    messages = messages_of(
        USER,
        UserMessage(content="Diga."),
        AssistantMessage(content=" \n"),
        AssistantMessage(content="Dez."),
        AssistantMessage(content="Onze."),
        UserMessage(content=""),
        UserMessage(content="E?"),
    )

    assert messages == [
        {"role": "user", "content": [said("Quanto?"), said("Diga.")]},
        {"role": "assistant", "content": [said("Dez."), said("Onze.")]},
        {"role": "user", "content": [said("E?")]},
    ]


def test_a_conversation_that_the_assistant_begins_or_ends_has_a_user_before_and_after_it() -> None:
    messages = messages_of(AssistantMessage(content="Olá, sou a Prosa."))

    assert [message["role"] for message in messages] == ["user", "assistant", "user"]


def test_a_request_of_nothing_but_instructions_is_accepted() -> None:
    body = sent(SystemMessage(content="Be brief."), SystemMessage(content="Be kind."))

    assert_accepted(body)
    assert body["system"] == "Be brief.\n\nBe kind."


@pytest.mark.parametrize(
    ("arguments", "value"),
    [("", {}), ('{"x":1}', {"x": 1}), ("[1]", {"_not_an_object": "[1]"}), ("{", {"_not_an_object": "{"})],
)
def test_arguments_are_sent_as_the_object_that_they_must_be(arguments: str, value: dict[str, Any]) -> None:
    called = ToolCall(call_id="a", name="look", arguments=arguments)
    messages = messages_of(USER, AssistantMessage(content="", tool_calls=(called,)), answered("a"))

    assert messages[1]["content"] == [use("a", **value)]


def test_pictures_come_before_the_text_each_in_its_own_way() -> None:
    urls = ("https://example.test/a.png", "data:image/jpg;base64,AAAA", "data:image/svg+xml;base64,AAAA")
    messages = messages_of(UserMessage(content="O que é?", images=urls))

    assert messages[0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://example.test/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
        said("[A picture that cannot be shown.]"),
        said("O que é?"),
    ]


IDS = st.sampled_from(["a", "b", "toolu_1", "call:1", "ção", ""])
TEXTS = st.sampled_from(["", " ", "Olá", "ação\n"])
CALLS = st.lists(st.builds(ToolCall, call_id=IDS, name=st.just("crm.look"), arguments=TEXTS), max_size=3).map(tuple)
MESSAGES: st.SearchStrategy[ModelMessage] = st.one_of(
    st.builds(UserMessage, content=TEXTS),
    st.builds(SystemMessage, content=TEXTS),
    st.builds(AssistantMessage, content=TEXTS, tool_calls=CALLS, provider=st.sampled_from(["anthropic", "google"])),
    st.builds(ToolMessage, call_id=IDS, name=st.just("crm.look"), content=TEXTS, failed=st.booleans()),
)


@given(st.lists(MESSAGES, max_size=8))
def test_any_history_makes_a_request_that_the_vendor_accepts(history: list[ModelMessage]) -> None:
    assert_accepted(sent(*history))


# ---------------------------------------------------------------- tools, schemas and limits


async def test_tools_go_by_names_that_the_vendor_takes_and_come_back_by_ours(server: ChatServer) -> None:
    find = msgspec.structs.replace(LOOK, name="crm.contacts.find")
    server.play(Answer(pieces=[start(), *call(0, "crm_contacts_find", {}), *end("tool_use")]))
    called = ToolCall(call_id="a", name="crm.contacts.find", arguments="{}")
    history = (USER, AssistantMessage(content="", tool_calls=(called,)), answered("a"))

    events = await read(server, ModelRequest(model="m", messages=history, tools=(find,)))

    assert [tool["name"] for tool in server.bodies[0]["tools"]] == ["crm_contacts_find"]
    assert server.bodies[0]["messages"][1]["content"][0]["name"] == "crm_contacts_find"
    assert [call.name for call in calls_of(events)] == ["crm.contacts.find"]


def test_the_schema_of_an_input_is_an_object_without_a_choice_at_its_top() -> None:
    branches = [{"properties": {"email": {"type": "string"}}, "required": ["email"]}, {"required": ["phone"]}]
    parameters = {"$schema": "x", "properties": {"phone": {"type": "string", "pattern": "^[0-9]+$"}}, "anyOf": branches}

    schema = input_schema(parameters)

    assert set(schema) == {"type", "properties", "description"}
    assert schema["type"] == "object"
    assert set(schema["properties"]) == {"phone", "email"}
    assert schema["properties"]["phone"]["pattern"] == "^[0-9]+$"
    assert '"required": ["phone"]' in schema["description"]


def test_a_structured_answer_is_asked_for_by_a_schema_of_what_the_vendor_knows() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "description": "A sum.",
        "properties": {
            "total": {"type": "integer", "minimum": 0},
            "lines": {"type": "array", "minItems": 2, "items": {"type": "object", "properties": {}}},
            "when": {"oneOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
            "who": {"$ref": "#/$defs/who"},
        },
        "required": ["total"],
        "additionalProperties": True,
        "$defs": {"who": {"type": "string", "enum": ["a", "b"], "format": "name"}},
    }

    body = sent(USER, output_schema=schema)

    assert body["output_config"] == {"format": {"type": "json_schema", "schema": output_schema(schema)}}
    assert output_schema(schema) == {
        "type": "object",
        "description": "A sum.",
        "properties": {
            "total": {"type": "integer", "description": '{"minimum": 0}'},
            "lines": {
                "type": "array",
                "description": '{"minItems": 2}',
                "items": {"type": "object", "properties": {}, "additionalProperties": False},
            },
            "when": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
            "who": {"$ref": "#/$defs/who"},
        },
        "required": ["total"],
        "additionalProperties": False,
        "$defs": {"who": {"type": "string", "enum": ["a", "b"], "description": '{"format": "name"}'}},
    }


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-opus-5-5", 16_000),
        ("claude-sonnet-4-20250514", 16_000),
        ("claude-3-7-sonnet-latest", 16_000),
        ("claude-3-haiku-20240307", 4_096),
        ("claude-3-5-haiku-latest", 4_096),
        ("some-other-model", 16_000),
    ],
)
def test_an_answer_is_bounded_even_where_the_request_does_not_say_so(model: str, limit: int) -> None:
    assert sent(USER, model=model)["max_tokens"] == limit


@pytest.mark.parametrize(
    ("model", "temperature"),
    [
        ("claude-3-haiku-20240307", 0.7),
        ("claude-opus-4-20250514", 0.7),
        ("claude-sonnet-4-0", 0.7),
        ("claude-opus-4-1-20250805", 0.7),
        ("claude-haiku-4-5", 0.7),
        ("claude-sonnet-4-6", 0.7),
        ("claude-opus-4-7", None),
        ("claude-opus-4-8-20260101", None),
        ("claude-opus-5", None),
        ("claude-sonnet-5-5", None),
        ("claude-fable-5-2", None),
        ("some-other-model", 0.7),
    ],
)
def test_a_temperature_goes_to_the_models_that_take_one(model: str, temperature: float | None) -> None:
    assert sent(USER, model=model, temperature=0.7).get("temperature") == temperature


def test_a_temperature_is_at_most_one() -> None:
    assert sent(USER, temperature=1.5)["temperature"] == 1.0


# ---------------------------------------------------------------- where it goes


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/v1/messages"),
        ("/", "/v1/messages"),
        ("/v1", "/v1/messages"),
        ("/v1/messages", "/v1/messages"),
        ("/anthropic", "/anthropic/v1/messages"),
        ("/v1?region=eu", "/v1/messages?region=eu"),
    ],
)
async def test_the_base_url_is_taken_as_vendors_print_it(server: ChatServer, path: str, target: str) -> None:
    server.play(OK)
    provider = AnthropicProvider(api_key=" secret-key\n", base_url=server.url.removesuffix("/v1") + path)

    async with provider.stream(REQUEST) as events:
        last = [event async for event in events][-1]
    await provider.close()

    head = server.heads[0].lower()
    assert isinstance(last, ModelFinished)
    assert server.heads[0].startswith(f"POST {target} HTTP/1.1")
    assert "x-api-key: secret-key\r\n" in head
    assert "anthropic-version: 2023-06-01\r\n" in head


async def test_a_login_in_the_base_url_takes_the_keys_place(server: ChatServer) -> None:
    server.play(OK)
    provider = AnthropicProvider(api_key="secret-key", base_url=server.url.replace("://", "://user:word@"))

    async with provider.stream(REQUEST) as events:
        assert [event async for event in events]
    await provider.close()

    assert "authorization: basic dxnlcjp3b3jk\r\n" in server.heads[0].lower()
    assert "secret-key" not in server.heads[0]
