"""What Anthropic's server answers 400 to, as far as its documentation and its users' reports tell it.

Written from the vendor's side, and of nothing that `agent/providers` uses.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

ID = re.compile(r"[a-zA-Z0-9_-]+")
BLOCKS = {
    "user": {"text", "image", "tool_result"},
    "assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
}
MEDIA = {"image/jpeg", "image/png", "image/gif", "image/webp"}


def assert_accepted(body: dict[str, Any]) -> None:
    """Raises AssertionError for a body that the server refuses."""
    assert body["max_tokens"] > 0
    assert body["stream"] is True
    assert "system" not in body or body["system"].strip()
    messages = body["messages"]
    assert messages[0]["role"] == "user"
    assert messages[-1]["role"] == "user", "newer models take no answer that is begun for them"
    roles = [message["role"] for message in messages]
    assert all(one != next_one for one, next_one in itertools.pairwise(roles)), roles
    used: list[str] = []
    for message, following in zip(messages, [*messages[1:], {"content": []}], strict=True):
        assert message["content"], "a message without content"
        for block in message["content"]:
            assert block["type"] in BLOCKS[message["role"]], (message["role"], block["type"])
            _assert_block(block)
        used += _assert_answered(message["content"], following["content"])
        assert message["content"][-1]["type"] not in ("thinking", "redacted_thinking")
    assert len(set(used)) == len(used), "ids of calls are there once"
    results = [block["tool_use_id"] for message in messages for block in message["content"] if "tool_use_id" in block]
    assert sorted(results) == sorted(used), "each call has one result"


def _assert_answered(content: list[dict[str, Any]], following: list[dict[str, Any]]) -> list[str]:
    """The results of a message's calls open the next message. Gives the calls' ids."""
    ids = [block["id"] for block in content if block["type"] == "tool_use"]
    opening = [block.get("tool_use_id") for block in following[: len(ids)]]
    assert sorted(ids) == sorted(filter(None, opening)), (ids, opening)
    return ids


def _assert_block(block: dict[str, Any]) -> None:
    match block["type"]:
        case "text":
            assert set(block) == {"type", "text"}
            assert block["text"].strip(), "a text of nothing but blanks"
        case "tool_use":
            assert set(block) == {"type", "id", "name", "input"}
            assert ID.fullmatch(block["id"]), block["id"]
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", block["name"]), block["name"]
            assert isinstance(block["input"], dict)
        case "tool_result":
            assert set(block) <= {"type", "tool_use_id", "content", "is_error"}
        case "image" if block["source"]["type"] == "base64":
            assert block["source"]["media_type"] in MEDIA
        case "image":
            assert block["source"]["type"] == "url"
        case "thinking":
            assert set(block) == {"type", "thinking", "signature"}
            assert block["signature"]
        case "redacted_thinking":
            assert set(block) == {"type", "data"}
        case kind:
            raise AssertionError(kind)
