"""What of Gemini's parts must go back as it came: thought signatures, each in the part that it came with.

A signature is an opaque word beside a part: a call, a text (often an empty one, at the end), a thought. The history
keeps an answer's text as one and its calls in a row, so the order of the parts and their signatures are noted in
`opaque`. A call's own signature is in its `ToolCall.opaque`, with the id that the model gave it, if it gave one.

    opaque of an answer: {"parts": [{"text": 12}, {"text": 5, "signature": "..."},
                                    {"thought": "...", "signature": "..."}, {"call": true}]}   (numbers: characters)
    opaque of a call:    {"id": "...", "signature": "..."}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class PartLog:
    """Notes the parts of an answer while it streams."""

    def __init__(self) -> None:
        self._parts: list[dict[str, Any]] = []
        self._worth_keeping = False

    def text(self, text: str, signature: str | None) -> None:
        """A part of the answer's text; neighbours without a signature are noted as one."""
        if signature:
            self._worth_keeping = True
            self._parts.append({"text": len(text), "signature": signature})
        elif text:
            last = self._parts[-1] if self._parts else {}
            if "text" in last and "signature" not in last:
                last["text"] += len(text)
            else:
                self._worth_keeping = self._worth_keeping or "call" in last  # else text comes before calls
                self._parts.append({"text": len(text)})

    def thought(self, text: str, signature: str | None) -> None:
        """A thought: it goes back only where it is signed."""
        if signature:
            self._worth_keeping = True
            self._parts.append({"thought": text, "signature": signature})

    def call(self) -> None:
        """A call, whose own signature is kept with it."""
        self._parts.append({"call": True})

    def opaque(self) -> dict[str, Any] | None:
        """What the history keeps; None where nothing but calls is signed, and they come after the text."""
        return {"parts": self._parts} if self._worth_keeping else None


def call_opaque(call_id: str | None, signature: str | None) -> dict[str, Any] | None:
    """What the history keeps with a call; None where there is nothing."""
    kept = {"id": call_id, "signature": signature}
    return {name: value for name, value in kept.items() if value} or None


def restored(content: str, calls: Sequence[dict[str, Any]], opaque: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """An answer's parts in the order in which they came. `calls` are its call parts, as they are to be sent.

    A text that is no longer whole goes without its signature; what is not noted follows at the end.
    """
    parts: list[dict[str, Any]] = []
    rest, left = content, list(calls)
    for noted in (opaque or {}).get("parts", ()):
        signature = noted.get("signature")
        if "text" in noted:
            text, rest = rest[: noted["text"]], rest[noted["text"] :]
            whole = len(text) == noted["text"]
            parts.extend(_text(text, signature if whole else None))
        elif "thought" in noted:
            parts.append({"text": noted["thought"], "thought": True, "thoughtSignature": signature})
        elif left:
            parts.append(left.pop(0))
    return [*parts, *_text(rest, None), *left]


def _text(text: str, signature: str | None) -> list[dict[str, Any]]:
    if signature:
        return [{"text": text, "thoughtSignature": signature}]
    return [{"text": text}] if text else []
