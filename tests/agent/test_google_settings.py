"""What the Google provider sends beside the conversation: address, headers, settings of the answer, tools."""

from __future__ import annotations

import base64

import pytest

from agent.providers.google import GoogleProvider
from core.messages import SystemMessage
from core.models import ToolSpec
from tests.agent.chat_server import Answer, ChatServer
from tests.agent.google_support import ASKED, request, sent
from tests.conformance.vendors.google import VENDOR, check_schema, chunk, text

TOOL = ToolSpec(
    name="crm.find",
    title="Find",
    description="Finds.",
    parameters={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
)
NOW = ToolSpec(name="now", title="Now", description="The time.", parameters={"type": "object", "properties": {}})


# ---------------------------------------------------------------- the address

BASES = {
    "as_google_prints_it": ("", "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"),
    "with_a_slash": ("/", "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"),
    "with_its_version": ("/v1beta", "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"),
    "with_another_version": ("/v1alpha/", "/v1alpha/models/gemini-3-flash:streamGenerateContent?alt=sse"),
    "below_a_path": ("/gemini/p%2Fq", "/gemini/p%2Fq/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"),
    "with_a_query": ("/v1?key=a", "/v1/models/gemini-3-flash:streamGenerateContent?key=a&alt=sse"),
}


@pytest.mark.parametrize(("written", "asked"), BASES.values(), ids=BASES.keys())
async def test_a_base_url_is_taken_however_it_is_written(server: ChatServer, written: str, asked: str) -> None:
    server.play(Answer(pieces=[chunk(text("x"), finish="STOP")]))
    provider = GoogleProvider(api_key=" secret-key\n", base_url=server.url.removesuffix("/v1") + written)

    async with provider.stream(request(ASKED)) as events:
        assert [event async for event in events]
    await provider.close()

    head = server.heads[0]
    assert head.split("\r\n")[0] == f"POST {asked} HTTP/1.1"
    assert "x-goog-api-key: secret-key\r\n" in head
    assert "authorization:" not in head.lower()


async def test_a_user_in_the_base_url_is_shown_to_the_proxy(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk(text("x"), finish="STOP")]))
    provider = GoogleProvider(api_key="k", base_url=server.url.replace("://", "://ana:segredo@"))

    async with provider.stream(request(ASKED)) as events:
        assert [event async for event in events]
    await provider.close()

    assert f"authorization: basic {base64.b64encode(b'ana:segredo').decode()}".lower() in server.heads[0].lower()


@pytest.mark.parametrize(
    ("model", "path"),
    [("models/gemini-3", "models/gemini-3"), ("tunedModels/a b", "tunedModels/a%20b"), ("x?y", "models/x%3Fy")],
)
async def test_a_model_is_a_name_or_a_path(server: ChatServer, model: str, path: str) -> None:
    await sent(server, request(ASKED, model=model))

    assert server.heads[0].startswith(f"POST /v1beta/{path}:streamGenerateContent?alt=sse HTTP")


# ---------------------------------------------------------------- thoughts


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("gemini-3-flash", True),
        ("models/gemini-3.1-pro-preview", True),
        ("gemini-12-pro", True),
        ("gemini-2.5-flash", False),
        ("gemini-2.0-flash", False),
        ("gemini-flash-latest", False),
        ("gemma-4-26b", False),
    ],
)
async def test_thoughts_are_asked_for_where_a_model_always_thinks(
    server: ChatServer, model: str, *, asked: bool
) -> None:
    body = await sent(server, request(ASKED, model=model))

    assert ("thinkingConfig" in body.get("generationConfig", {})) == asked


async def test_empty_instructions_are_left_out(server: ChatServer) -> None:
    assert "systemInstruction" not in await sent(server, request(SystemMessage(content=""), ASKED))


# ---------------------------------------------------------------- structured output

OUTPUT = {"type": "object", "properties": {"total": {"const": 4}}, "required": ["total"]}
TAKEN = {"type": "object", "properties": {"total": {"enum": [4]}}, "required": ["total"]}


@pytest.mark.parametrize("tools", [(), (TOOL,)], ids=["alone", "beside_tools"])
async def test_a_schema_of_the_output_is_asked_for(server: ChatServer, tools: tuple[ToolSpec, ...]) -> None:
    body = await sent(server, request(ASKED, output_schema=OUTPUT, tools=tools))

    thinking = {"thinkingConfig": {"includeThoughts": True}}
    assert body["generationConfig"] == thinking | {
        "responseMimeType": "application/json",
        "responseJsonSchema": TAKEN,
    }
    check_schema(body["generationConfig"]["responseJsonSchema"])


async def test_models_that_refuse_it_beside_tools_are_asked_in_words(server: ChatServer) -> None:
    body = await sent(
        server,
        request(SystemMessage(content="Be brief."), ASKED, model="gemini-2.5-pro", output_schema=OUTPUT, tools=(TOOL,)),
    )

    assert "generationConfig" not in body
    instructions = [part["text"] for part in body["systemInstruction"]["parts"]]
    assert instructions[0] == "Be brief."
    assert '"enum":[4]' in instructions[1]


async def test_tools_are_declared_as_gemini_takes_them(server: ChatServer) -> None:
    body = await sent(server, request(ASKED, tools=(TOOL, NOW)))

    assert VENDOR.tools_in(body) == [("crm_find", TOOL.parameters), ("now", {})]
