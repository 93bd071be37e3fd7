"""The conversation as the Google provider sends it: turns, calls and results, signatures, pictures."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import ProviderError
from core.messages import AssistantMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ToolSpec
from tests.agent.chat_server import Answer, ChatServer
from tests.agent.google_support import ASKED, read, remembered, request, sent, text_of
from tests.conformance.vendors.google import call, chunk, refused, text

SKIP = "skip_thought_signature_validator"
TOOL = ToolSpec(
    name="crm.find",
    title="Find",
    description="Finds.",
    parameters={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
)
NOW = ToolSpec(name="now", title="Now", description="The time.", parameters={"type": "object", "properties": {}})


def result(call_id: str, content: str, *, failed: bool = False) -> ToolMessage:
    return ToolMessage(call_id=call_id, name="f", content=content, failed=failed)


# ---------------------------------------------------------------- the conversation


async def test_the_request_holds_the_conversation_in_the_vendors_words(server: ChatServer) -> None:
    calls = (ToolCall(call_id="a", name="crm.find", arguments='{"name": "Ana"}'),)

    body = await sent(
        server,
        request(
            SystemMessage(content="Be brief."),
            ASKED,
            AssistantMessage(content="Vejo.", tool_calls=calls, provider="openai"),
            result("a", "10"),
            AssistantMessage(content="Dez."),
            UserMessage(content="E agora?"),
            model="gemini-2.5-flash",
            tools=(TOOL, NOW),
            max_output_tokens=50,
            temperature=0.5,
        ),
    )

    assert body == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Quanto?"}]},
            {
                "role": "model",
                "parts": [{"text": "Vejo."}, {"functionCall": {"name": "crm_find", "args": {"name": "Ana"}}}],
            },
            {"role": "user", "parts": [{"functionResponse": {"name": "crm_find", "response": {"output": "10"}}}]},
            {"role": "model", "parts": [{"text": "Dez."}]},
            {"role": "user", "parts": [{"text": "E agora?"}]},
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "crm_find", "description": "Finds.", "parametersJsonSchema": TOOL.parameters},
                    {"name": "now", "description": "The time."},
                ]
            }
        ],
        "generationConfig": {"maxOutputTokens": 50, "temperature": 0.5},
    }


async def test_parallel_results_go_together_in_the_order_of_their_calls(server: ChatServer) -> None:
    calls = tuple(ToolCall(call_id=name, name="f", arguments="{}") for name in ("a", "b", "c"))

    body = await sent(
        server,
        request(
            ASKED,
            AssistantMessage(content="", tool_calls=calls),
            result("c", '{"$ref": "#/x"}'),
            result("a", "no such shop", failed=True),
            UserMessage(content="E?"),
            result("b", "late"),
        ),
    )

    responses = [part["functionResponse"]["response"] for part in body["contents"][2]["parts"]]
    assert responses == [{"error": "no such shop"}, {"error": "The call was not run."}, {"output": '{"$ref": "#/x"}'}]
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user", "user"]


async def test_the_vendors_ids_go_back_and_those_that_we_made_do_not(server: ChatServer) -> None:
    parts = [call("f", {"n": 1}, id="fc_8f1", signature="AAAA"), call("f", {"n": 2})]
    server.play(Answer(pieces=[chunk(*parts, finish="STOP")]))
    answer = remembered(await read(server))
    own, made = (ready.call_id for ready in answer.tool_calls)

    body = await sent(server, request(ASKED, answer, result(made, "2"), result(own, "1")))

    assert own == "fc_8f1"
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "fc_8f1", "name": "f", "args": {"n": 1}}, "thoughtSignature": "AAAA"},
                {"functionCall": {"name": "f", "args": {"n": 2}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "fc_8f1", "name": "f", "response": {"output": "1"}}},
                {"functionResponse": {"name": "f", "response": {"output": "2"}}},
            ],
        },
    ]


SIGNED = [
    text("Hm.", thought=True),
    text("", thought=True, thoughtSignature="T"),
    text("Bom "),
    text("dia, "),
    text("Ana.", thoughtSignature="A"),
    call("f", {}, signature="B"),
    call("g", {}),
    text(" Vejo."),
    text("", thoughtSignature="C"),
]


@pytest.mark.parametrize("at_once", [True, False], ids=["in_one_chunk", "a_chunk_each"])
async def test_signatures_come_back_in_the_parts_that_they_came_with(server: ChatServer, *, at_once: bool) -> None:
    pieces = [chunk(*SIGNED)] if at_once else [chunk(part) for part in SIGNED]
    server.play(Answer(pieces=[*pieces, chunk(finish="STOP")]))
    answer = remembered(await read(server))

    body = await sent(server, request(ASKED, answer))

    assert answer.content == "Bom dia, Ana. Vejo."
    assert body["contents"][1]["parts"] == [
        {"text": "", "thought": True, "thoughtSignature": "T"},
        {"text": "Bom dia, "},
        {"text": "Ana.", "thoughtSignature": "A"},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "B"},
        {"functionCall": {"name": "g", "args": {}}},
        {"text": " Vejo."},
        {"text": "", "thoughtSignature": "C"},
    ]


async def test_a_text_that_is_no_longer_whole_goes_without_its_signature(server: ChatServer) -> None:
    opaque = {"parts": [{"text": 4}, {"text": 9, "signature": "A"}, {"text": 0, "signature": "B"}]}
    short = AssistantMessage(content="Bom dia", provider="google", opaque=opaque)
    longer = AssistantMessage(content="Bom dia, Ana.\n\n[Stopped]", provider="google", opaque=opaque)

    body = await sent(server, request(ASKED, short, ASKED, longer))

    assert body["contents"][1]["parts"][:2] == [{"text": "Bom "}, {"text": "dia"}]
    assert body["contents"][3]["parts"] == [
        {"text": "Bom "},
        {"text": "dia, Ana.", "thoughtSignature": "A"},
        {"text": "", "thoughtSignature": "B"},
        {"text": "\n\n[Stopped]"},
    ]


FOREIGN = ToolCall(call_id="toolu_1", name="f", arguments="{}", opaque={"id": "x", "signature": "theirs"})


@pytest.mark.parametrize(
    ("model", "signature"),
    [
        ("gemini-3-pro-preview", SKIP),
        ("gemini-flash-latest", SKIP),
        ("models/gemini-10-pro", SKIP),
        ("gemini-2.5-flash", None),
        ("models/gemini-2.0-flash", None),
        ("gemma-4-26b", None),
    ],
)
async def test_calls_of_another_vendor_go_unsigned_or_with_the_word_for_it(
    server: ChatServer, model: str, signature: str | None
) -> None:
    answer = AssistantMessage(
        content="Hm.", tool_calls=(FOREIGN, FOREIGN), provider="anthropic", opaque={"parts": [{"text": 1}]}
    )

    body = await sent(server, request(ASKED, answer, result("toolu_1", "1"), model=model))

    first = {"functionCall": {"name": "f", "args": {}}} | ({"thoughtSignature": signature} if signature else {})
    assert body["contents"][1]["parts"] == [{"text": "Hm."}, first, {"functionCall": {"name": "f", "args": {}}}]
    assert all("id" not in part["functionResponse"] for part in body["contents"][2]["parts"])


async def test_calls_that_an_older_gemini_made_are_signed_for_a_newer_one(server: ChatServer) -> None:
    unsigned = AssistantMessage(
        content="", tool_calls=(ToolCall(call_id="a", name="f", arguments="{}"),), provider="google"
    )

    body = await sent(server, request(ASKED, unsigned, result("a", "1")))

    assert body["contents"][1]["parts"][0]["thoughtSignature"] == SKIP


REFUSALS = [
    "Corrupted thought signature.",
    "Invalid thought signature.",
    "Unable to submit request because Thought signature is not valid.",
    "Function call is missing a thought_signature in functionCall parts.",
]


@pytest.mark.parametrize("said", REFUSALS)
async def test_a_history_whose_signatures_are_refused_goes_once_more_without_them(
    server: ChatServer, said: str
) -> None:
    signed = ToolCall(call_id="a", name="f", arguments="{}", opaque={"id": "a", "signature": "stale"})
    opaque = {"parts": [{"thought": "Hm.", "signature": "old"}, {"text": 3, "signature": "older"}, {"call": True}]}
    answer = AssistantMessage(content="Oi.", tool_calls=(signed,), provider="google", opaque=opaque)
    server.play(refused(400, "INVALID_ARGUMENT", said), Answer(pieces=[chunk(text("Dez."), finish="STOP")]))

    events = await read(server, request(ASKED, answer, result("a", "1"), model="tunedModels/mine"))

    assert text_of(events) == "Dez."
    assert [body["contents"][1]["parts"][-1]["thoughtSignature"] for body in server.bodies] == ["stale", SKIP]
    assert server.bodies[1]["contents"][1]["parts"][:-1] == [{"text": "Oi."}]


async def test_signatures_that_are_refused_twice_are_an_error(server: ChatServer) -> None:
    server.play(*[refused(400, "INVALID_ARGUMENT", REFUSALS[0])] * 2)

    with pytest.raises(ProviderError) as caught:
        await read(server)

    assert not caught.value.retryable
    assert len(server.bodies) == 2


async def test_model_turns_in_a_row_become_one_and_empty_ones_are_left_out(server: ChatServer) -> None:
    called = AssistantMessage(content="", tool_calls=(ToolCall(call_id="a", name="f", arguments="{}"),))

    body = await sent(
        server,
        request(ASKED, AssistantMessage(content="Vejo."), AssistantMessage(content=""), called, result("a", "1")),
    )

    assert [(content["role"], len(content["parts"])) for content in body["contents"]] == [
        ("user", 1),
        ("model", 2),
        ("user", 1),
    ]


@pytest.mark.parametrize("arguments", ["[1]", "not json", '"text"'])
async def test_arguments_that_are_no_object_go_as_one(server: ChatServer, arguments: str) -> None:
    called = AssistantMessage(content="", tool_calls=(ToolCall(call_id="a", name="f", arguments=arguments),))

    body = await sent(server, request(ASKED, called, result("a", "1", failed=True)))

    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"_not_an_object": arguments}


# ---------------------------------------------------------------- pictures

PICTURES = {
    "bytes": ("data:image/png;base64,iVBORw0KGgo=", {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}),
    "bytes_with_more_said": (
        "data:image/svg+xml;charset=utf-8;base64,AA==",
        {"inlineData": {"mimeType": "image/svg+xml", "data": "AA=="}},
    ),
    "an_address": (
        "https://example.com/a.b/Foto.JPG?width=3.png#x",
        {"fileData": {"fileUri": "https://example.com/a.b/Foto.JPG?width=3.png#x", "mimeType": "image/jpeg"}},
    ),
    "an_address_that_does_not_tell": ("https://example.com/1", {"fileData": {"fileUri": "https://example.com/1"}}),
}


@pytest.mark.parametrize(("url", "part"), PICTURES.values(), ids=PICTURES.keys())
async def test_pictures_go_with_the_text(server: ChatServer, url: str, part: dict[str, Any]) -> None:
    body = await sent(server, request(UserMessage(content="O que é?", images=(url,))))

    assert body["contents"] == [{"role": "user", "parts": [{"text": "O que é?"}, part]}]


async def test_a_picture_without_words_goes_alone(server: ChatServer) -> None:
    body = await sent(server, request(UserMessage(content="", images=("https://example.com/a.png",))))

    assert len(body["contents"][0]["parts"]) == 1


@pytest.mark.parametrize(
    "url", ["http://example.com/a.png", "file:///etc/passwd", "data:image/png,raw", "gs://bucket/a", "a.png"]
)
async def test_a_picture_that_cannot_go_is_refused_before_anything_is_sent(server: ChatServer, url: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await sent(server, request(UserMessage(content="?", images=(url,))))

    assert (caught.value.code, caught.value.retryable) == ("invalid_request", False)
    assert server.bodies == []
    assert url not in caught.value.message
