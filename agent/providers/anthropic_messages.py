"""A ModelRequest as the body of `POST /v1/messages`, by rules that Anthropic answers with 400 where they are broken.

User and assistant take turns, and the user begins and ends; the results of a message's calls open the very next
message, each id once; no text is empty. What the history lacks for that is made good here, whoever's model wrote it.

Thinking goes back, unchanged and in place, only where all that the model had before it is still there: the API checks
it by the thought's signature, and refuses a request in which system, tools or an earlier message are others
(platform.claude.com/docs/en/build-with-claude/preserved-thinking). So a thought is kept with the digest of what it
was thought about (`prefix_of`), and left out where that is another one: a day later, in another window of the
history, or in a last step that offers no tools.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from agent.providers.anthropic_schema import input_schema, output_schema
from agent.providers.call_ids import safe_call_id
from agent.providers.tool_names import ToolNames
from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest, ToolSpec

DEFAULT_OUTPUT_TOKENS: Final = 16_000
"""`max_tokens` must be there. Thinking counts, which the newest models always do; every model since Claude 3.7 takes
as much (Opus 4 takes 32,000, the least)."""
OLD_OUTPUT_TOKENS: Final = 4_096
"""The most that the first Claude 3 models take."""
_OLD: Final = re.compile(r"claude-(?:3-(?:opus|sonnet|haiku|5)|2|instant)")
_TEMPERATE: Final = re.compile(r"claude-(?:[23]|instant|(?:opus|sonnet|haiku)-4(?:-(?:20\d{6}|[0-6])(?!\d)|(?![-\d])))")
"""Claude models that take a temperature: from Opus 4.7 on each answers 400 where one is sent
(platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-7)."""
_DATA_URL: Final = re.compile(r"data:(image/[a-z0-9.+-]+);base64,(.*)", re.DOTALL | re.IGNORECASE)
_PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_NO_PICTURE: Final = "[A picture that cannot be shown.]"
_NO_RESULT: Final = "This call was not answered: it may or may not have run."
_BEGIN: Final = "[The conversation begins here.]"
_GO_ON: Final = "[Please go on.]"

Block = dict[str, Any]
_encode = msgspec.json.Encoder().encode


def request_body(request: ModelRequest, names: ToolNames, *, provider: str) -> dict[str, Any]:
    """The body. `provider` is whose opaque parts go back, "" is nobody; `names` are the tools' at the vendor."""
    model = request.model
    body: dict[str, Any] = {"model": model, "max_tokens": request.max_output_tokens or _default_limit(model)}
    system = "\n\n".join(message.content for message in request.messages if isinstance(message, SystemMessage))
    if system.strip():
        body["system"] = system
    if request.tools:
        body["tools"] = [_tool(spec, names) for spec in request.tools]
    body["messages"] = _Conversation(body, names, provider).of(request.messages)
    body["stream"] = True
    if request.temperature is not None and ("claude" not in model or _TEMPERATE.search(model)):
        body["temperature"] = min(max(request.temperature, 0.0), 1.0)  # the vendor's range ends at 1
    if request.output_schema is not None:
        # Native, in Claude 4.5 and later; older models answer 400. A forced tool would serve those, but Sonnet 5.5
        # and its like refuse a forced tool (platform.claude.com/docs/en/models/sonnet-5-5/whats-new-sonnet-5-5).
        body["output_config"] = {"format": {"type": "json_schema", "schema": output_schema(request.output_schema)}}
    return body


def prefix_of(body: dict[str, Any], messages: Sequence[dict[str, Any]] | None = None) -> int:
    """A digest of what a model had before it when it answered `body`, or before a message that follows `messages`.

    48 bits: enough to tell two requests of one conversation apart, and a number that every reader of JSON keeps.
    """
    before = body["messages"] if messages is None else messages
    seen = [body["model"], body.get("system"), body.get("tools"), before]
    return int.from_bytes(hashlib.sha256(_encode(seen)).digest()[:6])


class _Conversation:
    """The messages of one request, which take turns."""

    def __init__(self, body: dict[str, Any], names: ToolNames, provider: str) -> None:
        self._body, self._names, self._provider = body, names, provider
        self._messages: list[dict[str, Any]] = []
        self._open: list[tuple[str, str]] = []
        """Ids of the last answer's calls that have no result yet: ours, which may be there twice, and the one sent."""
        self._used: set[str] = set()
        """Ids that were sent."""
        self._called: set[str] = set()
        """Our own ids of all calls so far."""

    def of(self, messages: Sequence[ModelMessage]) -> list[dict[str, Any]]:
        """The messages, in order."""
        for message in messages:
            match message:
                case UserMessage():
                    self._say("user", list(_user_blocks(message)))
                case AssistantMessage():
                    self._say("assistant", self._answer(message))
                case ToolMessage():
                    self._result(message)
                case SystemMessage():
                    pass  # at the top of the body
        self._close_calls()
        if not self._messages:
            self._say("user", [_text(_BEGIN)])
        if self._messages[-1]["role"] == "assistant":  # an answer begun for the model is refused since Claude 4.6
            self._say("user", [_text(_GO_ON)])
        return self._messages

    def _say(self, role: str, blocks: list[Block]) -> None:
        """Add to the last message where it is of the same role, else begin one."""
        if not blocks:
            return
        self._close_calls()
        if not self._messages and role == "assistant":
            self._messages.append({"role": "user", "content": [_text(_BEGIN)]})
        if self._messages and self._messages[-1]["role"] == role:
            self._messages[-1]["content"].extend(blocks)
        else:
            self._messages.append({"role": role, "content": blocks})
        for block in blocks:
            if block["type"] == "tool_use":
                self._open.append((block.pop("call_id"), block["id"]))

    def _result(self, message: ToolMessage) -> None:
        """A call's first result; what no call asked for is told as a text."""
        waiting = next((pair for pair in self._open if pair[0] == message.call_id), None)
        if waiting is not None:
            self._open.remove(waiting)
            self._put_result(waiting[1], message.content, failed=message.failed)
        elif message.content.strip() and message.call_id not in self._called:  # else it is a second result
            self._say("user", [_text(f"[Result of {message.name}] {message.content}")])

    def _close_calls(self) -> None:
        """Whatever comes next, the calls that are still open get a result before it."""
        for _, sent in self._open:
            self._put_result(sent, _NO_RESULT, failed=True)
        self._open.clear()

    def _put_result(self, sent: str, content: str, *, failed: bool) -> None:
        block: Block = {"type": "tool_result", "tool_use_id": sent}
        if content.strip():
            block["content"] = content
        if failed:
            block["is_error"] = True
        if self._messages[-1]["role"] == "user":
            self._messages[-1]["content"].append(block)
        else:
            self._messages.append({"role": "user", "content": [block]})

    def _answer(self, message: AssistantMessage) -> list[Block]:
        calls = [self._call(call) for call in message.tool_calls]
        kept = _kept_blocks(message) if message.provider == self._provider else None
        if kept is None or not self._fits(message):
            return [*_texts(message.content), *calls]
        blocks: list[Block] = []
        rest, waiting = message.content, iter(calls)
        for block in kept:
            match block["type"]:
                case "text":
                    blocks += _texts(rest[: block["characters"]])
                    rest = rest[block["characters"] :]
                case "tool_use":
                    blocks.append(next(waiting))
                case _:
                    blocks.append(block)
        while blocks and blocks[-1]["type"] in ("thinking", "redacted_thinking"):
            blocks.pop()  # an answer that ends in a thought is refused
        return blocks

    def _fits(self, message: AssistantMessage) -> bool:
        """Whether all that came before the message is as it was when the model made it."""
        if self._open or not self._messages or self._messages[-1]["role"] != "user" or message.opaque is None:
            return False
        return message.opaque.get("prefix") == prefix_of(self._body, self._messages)

    def _call(self, call: ToolCall) -> Block:
        """A call, with `call_id` for `_say`: an id that was used before, or that another vendor made, gets another."""
        sent = safe = safe_call_id(call.call_id)
        number = 1
        while sent in self._used:
            number += 1
            sent = f"{safe}--{number}"
        self._used.add(sent)
        self._called.add(call.call_id)
        return {
            "type": "tool_use",
            "id": sent,
            "name": self._names.sent(call.name),
            "input": _input(call.arguments),
            "call_id": call.call_id,
        }


def _kept_blocks(message: AssistantMessage) -> list[Block] | None:
    """What the message was made of, where it has thoughts and is still made of just that; else None."""
    blocks = message.opaque.get("blocks") if message.opaque is not None else None
    if not isinstance(blocks, list):
        return None
    characters = sum(block["characters"] for block in blocks if block["type"] == "text")
    calls = sum(block["type"] == "tool_use" for block in blocks)
    return blocks if (characters, calls) == (len(message.content), len(message.tool_calls)) else None


def _user_blocks(message: UserMessage) -> Iterator[Block]:
    """Pictures first, as the vendor advises, then the text."""
    for url in message.images:
        yield _picture(url)
    yield from _texts(message.content)


def _picture(url: str) -> Block:
    data = _DATA_URL.fullmatch(url)
    if data is None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    kind = data[1].lower().replace("image/jpg", "image/jpeg")
    if kind not in _PICTURES:
        return _text(_NO_PICTURE)
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data[2]}}


def _texts(text: str) -> list[Block]:
    """A block, or none: a text of nothing but blanks is refused."""
    return [_text(text)] if text.strip() else []


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _input(arguments: str) -> dict[str, Any]:
    """The arguments as the object that they must be."""
    try:
        value = msgspec.json.decode(arguments or b"{}")
    except msgspec.DecodeError:
        value = None
    return value if isinstance(value, dict) else {"_not_an_object": arguments}


def _tool(spec: ToolSpec, names: ToolNames) -> dict[str, Any]:
    tool: dict[str, Any] = {"name": names.sent(spec.name), "input_schema": input_schema(spec.parameters)}
    if spec.description:
        tool["description"] = spec.description
    return tool


def _default_limit(model: str) -> int:
    return OLD_OUTPUT_TOKENS if _OLD.search(model) else DEFAULT_OUTPUT_TOKENS
