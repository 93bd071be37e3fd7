"""What is said: messages as people see them (`Message`) and as a model gets them (`ModelMessage`).

The two differ on purpose. A `Message` is public and holds what its least privileged reader may
see. A `ModelMessage` is private: raw tool results and a vendor's opaque parts live only there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

Role = Literal["user", "assistant", "operator"]
MessageStatus = Literal["complete", "running", "cancelled", "failed"]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a user's message. `text` is set where `type` is "text"; otherwise `url` or `media_id`."""

    type: Literal["text", "image", "audio", "file"]
    text: str | None = None
    url: str | None = None
    media_id: str | None = None


Content = str | tuple[Part, ...]


def content_text(content: Content) -> str:
    """Give the words of a content; parts that are not text are left out."""
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if part.text is not None)


def content_images(content: Content) -> tuple[str, ...]:
    """Give the URLs of a content's pictures, in order."""
    if isinstance(content, str):
        return ()
    return tuple(part.url for part in content if part.type == "image" and part.url is not None)


def joined_content(contents: Sequence[Content]) -> Content:
    """Several messages as one: texts with a blank line between them, or all their parts in order."""
    texts = [content for content in contents if isinstance(content, str)]
    if len(texts) == len(contents):
        return "\n\n".join(texts)
    return tuple(
        part
        for content in contents
        for part in ((Part(type="text", text=content),) if isinstance(content, str) else content)
    )


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A document that an answer rests on."""

    source_id: str
    title: str
    url: str | None = None
    snippet: str | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message as snapshot, history and REST show it. `ts` is Unix milliseconds."""

    message_id: str
    turn_id: str
    role: Role
    content: Content
    channel: str
    ts: int
    status: MessageStatus
    re: str | None = None
    replaced_by: str | None = None
    delivery: dict[str, Any] | None = None
    feedback: dict[str, Any] | None = None
    sources: tuple[Source, ...] | None = None


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model's wish to call a tool. `arguments` is the JSON text as the model wrote it, checked by nobody yet."""

    call_id: str
    name: str
    arguments: str
    opaque: dict[str, Any] | None = None


class SystemMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="role", tag="system"):
    """Instructions."""

    content: str


class UserMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="role", tag="user"):
    """What the user said."""

    content: str
    images: tuple[str, ...] = ()
    """URLs of pictures that go with it: `https:`, or `data:image/<kind>;base64,`."""


class AssistantMessage(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="role", tag="assistant"
):
    """What the model said in one step. `cancelled`: it was stopped and what is here is all that was shown."""

    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    provider: str | None = None
    opaque: dict[str, Any] | None = None
    cancelled: bool = False


class ToolMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="role", tag="tool"):
    """What a tool answered, for the model. `failed`: `content` says what is wrong."""

    call_id: str
    name: str
    content: str
    failed: bool = False


ModelMessage = SystemMessage | UserMessage | AssistantMessage | ToolMessage
