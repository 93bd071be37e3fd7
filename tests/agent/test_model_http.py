"""What the way to a vendor does with connections: closes, keeps, tries once more, and never tells a key."""

from __future__ import annotations

import asyncio
import gzip
import traceback
import zlib
from contextlib import suppress

import pytest

from agent.providers.http import ModelHttp, Timeouts
from agent.providers.openai import OpenAIProvider
from core.errors import ProviderError, StreamCut
from core.messages import UserMessage
from core.models import ModelEvent, ModelRequest, TextDelta
from tests.agent.chat_server import DONE, Answer, ChatServer, chunk, split

REQUEST = ModelRequest(model="m-1", messages=(UserMessage(content="Olá"),))
WHOLE = Answer(pieces=[chunk("Dez", finish="stop"), DONE])


async def ask(provider: OpenAIProvider, request: ModelRequest = REQUEST) -> list[ModelEvent]:
    async with provider.stream(request) as events:
        return [event async for event in events]


async def texts(provider: OpenAIProvider) -> str:
    return "".join(event.text for event in await ask(provider) if isinstance(event, TextDelta))


def provider_of(server: ChatServer, **options: str) -> OpenAIProvider:
    return OpenAIProvider(api_key="secret-key", base_url=server.url, **options)


# ---------------------------------------------------------------- connections


async def test_a_kept_connection_that_the_vendor_closes_under_a_request_is_no_failure(server: ChatServer) -> None:
    server.play(WHOLE, Answer(silent=True), WHOLE)
    provider = provider_of(server)

    shown = [await texts(provider), await texts(provider)]
    await provider.close()

    assert shown == ["Dez", "Dez"]
    assert (server.connections, len(server.bodies)) == (2, 3)
    assert server.bodies[1] == server.bodies[2]


async def test_a_new_connection_that_breaks_is_not_tried_again_here(server: ChatServer) -> None:
    server.play(Answer(silent=True), WHOLE)
    provider = provider_of(server)

    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    await provider.close()

    assert caught.value.retryable
    assert len(server.bodies) == 1


async def test_a_kept_connection_that_breaks_twice_is_a_failure(server: ChatServer) -> None:
    server.play(WHOLE, Answer(silent=True), Answer(silent=True), WHOLE)
    provider = provider_of(server)
    await ask(provider)

    with pytest.raises(ProviderError):
        await ask(provider)
    await provider.close()

    assert len(server.bodies) == 3


async def test_a_kept_connection_that_breaks_within_an_answers_head_is_not_tried_again_here(server: ChatServer) -> None:
    server.play(WHOLE, Answer(half_a_head=True), WHOLE)
    provider = provider_of(server)
    await ask(provider)

    with pytest.raises(ProviderError):
        await ask(provider)
    await provider.close()

    assert len(server.bodies) == 2


async def test_a_body_that_ends_after_its_answer_leaves_the_connection_for_the_next(server: ChatServer) -> None:
    late = asyncio.Event()
    server.play(Answer(pieces=WHOLE.pieces, end_after=late), WHOLE, WHOLE)
    provider, other = provider_of(server), provider_of(server)

    await ask(provider)
    late.set()
    await server.answered.wait()
    await ask(other)  # a whole round trip, so that the end has arrived
    await ask(provider)
    await provider.close()
    await other.close()

    assert server.connections == 2


async def test_a_body_that_never_ends_costs_its_connection(server: ChatServer) -> None:
    server.play(Answer(pieces=WHOLE.pieces, ending="hang"))
    provider = provider_of(server)

    await ask(provider)
    await server.gone.wait()
    await provider.close()


async def test_a_stop_before_the_answer_begins_closes_the_connection(server: ChatServer) -> None:
    server.play(Answer(deaf=True))
    provider = provider_of(server)

    task = asyncio.create_task(ask(provider))
    await server.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.gone.wait()
    await provider.close()


async def test_a_client_that_is_closed_ends_the_streams_that_are_read(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("Dez")], ending="hang"))
    provider = provider_of(server)

    async with provider.stream(REQUEST) as events:
        first = await anext(events)
        await provider.close()
        with pytest.raises(StreamCut):
            await anext(events)
    await server.gone.wait()

    assert first == TextDelta(text="Dez")


async def test_a_closed_client_calls_nobody(server: ChatServer) -> None:
    provider = provider_of(server)
    await provider.close()

    with pytest.raises(ProviderError):
        await ask(provider)

    assert server.connections == 0


async def test_two_hundred_streams_are_open_at_once(server: ChatServer) -> None:
    go_on = asyncio.Event()
    server.play(*[Answer(pieces=WHOLE.pieces, begin_after=go_on)] * 200)
    provider = provider_of(server)

    tasks = [asyncio.create_task(texts(provider)) for _ in range(200)]
    async with asyncio.timeout(20):
        while server.connections < 200:
            server.asked.clear()
            await server.asked.wait()
    go_on.set()
    shown = await asyncio.gather(*tasks)
    await provider.close()

    assert shown == ["Dez"] * 200


# ---------------------------------------------------------------- bodies


PACKED = {
    "gzip": ("gzip", gzip.compress(b"".join(WHOLE.pieces))),
    "deflate": ("deflate", zlib.compress(b"".join(WHOLE.pieces))),
}


@pytest.mark.parametrize("every", [None, 1], ids=["whole", "every_byte"])
@pytest.mark.parametrize(("encoding", "body"), PACKED.values(), ids=PACKED.keys())
async def test_a_packed_answer_is_unpacked_though_none_was_asked_for(
    server: ChatServer, encoding: str, body: bytes, every: int | None
) -> None:
    server.play(Answer(pieces=split(body, every), headers={"content-encoding": encoding}))
    provider = provider_of(server)

    assert await texts(provider) == "Dez"
    await provider.close()

    assert "accept-encoding: identity" in server.heads[0].lower()


async def test_a_conversation_of_more_than_a_megabyte_is_sent_whole(server: ChatServer) -> None:
    server.play(WHOLE)
    provider = provider_of(server)
    content = "ação " * 300_000

    await ask(provider, ModelRequest(model="m", messages=(UserMessage(content=content),)))
    await provider.close()

    assert server.bodies[0]["messages"][0]["content"] == content


async def test_a_page_in_place_of_an_answer_is_no_answer(server: ChatServer) -> None:
    server.play(Answer(pieces=[b"<html>\n\n<p>Sign in</p></html>"], headers={"content-type": "text/html"}))
    provider = provider_of(server)

    with pytest.raises(StreamCut):
        await ask(provider)
    await provider.close()


async def test_an_error_over_several_lines_with_status_200_is_read(server: ChatServer) -> None:
    server.play(Answer(pieces=split(b'{\n  "error": {\n    "code": "insufficient_quota"\n  }\n}\n', 7)))
    provider = provider_of(server)

    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    await provider.close()

    assert "out of quota" in caught.value.message


# ---------------------------------------------------------------- keys and addresses


async def test_a_redirect_is_not_followed(server: ChatServer) -> None:
    async with ChatServer() as elsewhere:
        server.play(Answer(status=307, headers={"location": f"{elsewhere.url}/chat/completions"}))
        provider = provider_of(server)

        with pytest.raises(ProviderError) as caught:
            await ask(provider)
        await provider.close()

        assert elsewhere.connections == 0
    assert (caught.value.status, caught.value.retryable) == (307, False)


BROKEN = {
    "closed_at_once": Answer(silent=True),
    "no_http": Answer(half_a_head=True, garbage=True),
    "wrong_key": Answer(status=401, pieces=[b'{"error": {"message": "secret-key is wrong"}}']),
    "server_error": Answer(status=500, pieces=[b"secret-key"]),
    "cut": Answer(pieces=[chunk("Dez")], ending="cut"),
    "unpackable": Answer(pieces=[b"secret-key"], headers={"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
async def test_a_key_is_in_no_error_and_in_no_cause_of_one(server: ChatServer, answer: Answer) -> None:
    server.play(answer)
    provider = provider_of(server)

    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    await provider.close()

    told = "".join(traceback.format_exception(caught.value))
    causes = [repr(caught.value), repr(caught.value.__cause__), repr(vars(caught.value))]
    assert "secret-key" not in told + "".join(causes)


async def test_a_key_with_a_line_end_around_it_works(server: ChatServer) -> None:
    server.play(WHOLE)
    provider = OpenAIProvider(api_key="secret-key\n", base_url=server.url)

    await ask(provider)
    await provider.close()

    assert "authorization: bearer secret-key\r\n" in server.heads[0].lower()


async def test_a_key_with_a_line_end_in_it_is_an_error_that_stays(server: ChatServer) -> None:
    provider = OpenAIProvider(api_key="secret\r\nx-other: key", base_url=server.url)

    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    await provider.close()

    assert not caught.value.retryable
    assert server.bodies == []


async def test_a_user_and_password_in_the_address_take_the_keys_place(server: ChatServer) -> None:
    server.play(WHOLE)
    url = server.url.replace("http://", "http://ana:s%40l@") + "/?api-version=1"
    provider = OpenAIProvider(api_key="", base_url=url)

    await ask(provider)
    await provider.close()

    assert server.heads[0].startswith("POST /v1/chat/completions?api-version=1 HTTP/1.1")
    assert "authorization: basic yw5honnabA==".lower() in server.heads[0].lower()


async def test_who_pays_is_said_by_argument_or_environment(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    server.play(WHOLE, WHOLE)
    of_environment, of_argument = provider_of(server), provider_of(server, organization="org-2", project="proj-2")

    await ask(of_environment)
    await ask(of_argument)
    await of_environment.close()
    await of_argument.close()

    assert "openai-organization: org-1\r\nopenai-project: proj-1" in server.heads[0].lower()
    assert "openai-organization: org-2\r\nopenai-project: proj-2" in server.heads[1].lower()


async def test_a_host_that_needs_no_proxy_is_called_itself(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.play(WHOLE)
    provider = provider_of(server)

    assert await texts(provider) == "Dez"
    await provider.close()


async def test_a_proxy_that_does_not_speak_http_is_an_error_that_stays(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    provider = provider_of(server)

    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    await provider.close()

    assert not caught.value.retryable


async def test_a_connection_that_cannot_be_made_in_time_is_retryable() -> None:
    """The address is of TEST-NET-1 (RFC 5737): packets to it are lost, or refused at once where there is no route."""
    http = ModelHttp("far", Timeouts(connect_s=0.05))
    provider = OpenAIProvider(api_key="k", base_url="http://192.0.2.1/v1", timeouts=http.timeouts)

    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    await provider.close()

    assert caught.value.retryable


async def test_an_answer_that_never_ends_is_given_up_whatever_comes() -> None:
    """Text comes faster than it is read, so no wait is ever long."""
    piece = chunk("x" * 1_000)
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()
        gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    provider = OpenAIProvider(api_key="k", base_url=f"http://127.0.0.1:{port}/v1", timeouts=Timeouts(total_s=1.0))

    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    await gone.wait()
    await provider.close()
    server.close()

    assert caught.value.retryable
    assert "took too long for one answer" in caught.value.message


async def test_an_error_of_the_connection_holds_nothing_of_the_request(server: ChatServer) -> None:
    """What aiohttp raises has the request's headers, and with them the key."""
    server.play(Answer(half_a_head=True, garbage=True))
    provider = provider_of(server)

    with pytest.raises(ProviderError) as caught:
        await ask(provider)
    await provider.close()

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
