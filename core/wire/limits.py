"""How long and of what shape the fields of a client's frames may be, and the sentence that says so.

The types carry the limits into the decoder and into the published schema. `EXPECTED` words each for a
person; a refusal names the field and what was expected, never the value that was sent. REST bodies are
held to the same limits through `content_problem` and `user_id_problem`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from core.messages import Content, Part, content_text

FRAME_BYTES: Final = 64 * 1024
"""A larger client frame closes the connection with 1009."""
MESSAGE_CHARACTERS: Final = 16_000
MESSAGE_PARTS: Final = 32
USER_ID_CHARACTERS: Final = 128
WAITING_TURNS: Final = 8
"""So many turns wait in a session at most; one more is `busy`."""
HISTORY_LIMIT: Final = 50
HISTORY_LIMIT_MOST: Final = 200
"""A larger `limit` of `history.get` is read as this."""

# `$` also matches before a last line feed in Python, though not in JSON Schema's dialect: hence `(?!\n)`.
Cid = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")]
Id = Annotated[str, Meta(pattern=r"^[!-~]{1,128}$(?!\n)")]
UserId = Annotated[str, Meta(min_length=1, max_length=USER_ID_CHARACTERS)]
Credential = Annotated[str, Meta(min_length=1, max_length=16_384)]
Label = Annotated[str, Meta(max_length=128)]
Remark = Annotated[str, Meta(max_length=4_000)]
MessageContent = (
    Annotated[str, Meta(min_length=1, max_length=MESSAGE_CHARACTERS)]
    | Annotated[tuple[Part, ...], Meta(min_length=1, max_length=MESSAGE_PARTS)]
)
AtLeastOne = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]

_PATH_CHARACTERS: Final = 128
"""About so long may the path of a wrong string get."""
_NAME: Final = "1 to 64 of A-Z a-z 0-9 _ -"
_ID: Final = "an id: 1 to 128 visible ASCII characters"
_LABEL: Final = "a string of at most 128 characters"
_REMARK: Final = "a string of at most 4000 characters"

EXPECTED: Final[dict[str, str]] = {
    "cid": "a string of 1 to 64 characters",
    "session_id": _NAME,
    "user_id": "a string of 1 to 128 printable characters",
    "ticket": "a string of 1 to 16384 characters",
    "token": "a string of 1 to 16384 characters",
    "channel": _NAME,
    "agent": _NAME,
    "resume": 'an object {"epoch": string, "seq": integer}',
    "epoch": _ID,
    "seq": "an integer of at least 0",
    "snapshot": "true or false",
    "client": "an object of strings: name, version, locale, tz",
    "name": _LABEL,
    "version": _LABEL,
    "locale": _LABEL,
    "tz": _LABEL,
    "content": "1 to 16000 characters that are not only white space, or 1 to 32 parts",
    "text": "a string",
    "url": "a string",
    "media_id": "a string",
    "on_busy": "queue, merge, interrupt or reject",
    "as": "operator",
    "meta": "an object",
    "turn_id": _ID,
    "approval_id": _ID,
    "message_id": _ID,
    "delivery_id": _ID,
    "before": "a message id",
    "approved": "true or false",
    "arguments": "an object",
    "reason": _REMARK,
    "score": "-1 or 1",
    "comment": _REMARK,
    "limit": "an integer of at least 1",
    "by": "human or agent",
    "status": "sent, delivered, read or failed",
    "external_id": _LABEL,
    "error": _REMARK,
    "on": "true or false",
    "t": "a number or a string of at most 128 characters",
    "type": "text, image, audio or file",
}


def content_problem(content: Content) -> str | None:
    """Say what is wrong with a message's content, or None. Counts code points, of all text parts together."""
    text = content_text(content)
    if len(text) > MESSAGE_CHARACTERS:
        return f"content must be at most {MESSAGE_CHARACTERS} characters, got {len(text)}."
    if isinstance(content, str):
        return None if text.strip() else "content must not be empty or only white space."
    for index, part in enumerate(content):
        if part.type == "text" and part.text is None:
            return f"content[{index}] is a text part and needs text."
        if part.type != "text" and part.url is None and part.media_id is None:
            return f"content[{index}] needs url or media_id."
    if not text.strip() and all(part.type == "text" for part in content):
        return "content must not be empty or only white space."
    return None


def user_id_problem(user_id: str) -> str | None:
    """Say what is wrong with a user_id, or None."""
    if 1 <= len(user_id) <= USER_ID_CHARACTERS and user_id.isprintable():
        return None
    return f"user_id must be {EXPECTED['user_id']}."


def forbidden_character(value: Any, path: str = "") -> str | None:
    """Find a NUL or a lone surrogate in decoded JSON; give the path of the string that holds it, or None.

    The path of a key, or of a value below an object that the user names freely, ends at that object.
    """
    left = [(value, path)]  # no recursion: a client may nest deeper than Python's stack
    while left:
        item, place = left.pop()
        match item:
            case str() if _is_forbidden(item):
                return place
            case list():
                left += [(member, _at(place, index)) for index, member in reversed(list(enumerate(item)))]
            case dict():
                if any(_is_forbidden(key) for key in item):
                    return place or "the frame"
                left += [(member, _below(place, key)) for key, member in reversed(item.items())]
            case _:
                pass
    return None


def _is_forbidden(text: str) -> bool:
    return any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text)


def _at(path: str, index: int) -> str:
    return f"{path}[{index}]" if len(path) < _PATH_CHARACTERS else path


def _below(path: str, key: str) -> str:
    if key not in EXPECTED:
        return path or "an unknown field"
    return f"{path}.{key}" if path else key
