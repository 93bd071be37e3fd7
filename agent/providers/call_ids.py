"""Ids of tool calls at a vendor that did not give them: history moves between vendors, and each has its own rule.

OpenAI takes up to 40 characters for a call's id (Chat Completions), Anthropic `^[a-zA-Z0-9_-]+$`, Mistral nine letters
and digits; a vendor takes back what it gave itself, whatever that is.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from core.messages import AssistantMessage

_TAKEN: Final = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_NINE: Final = re.compile(r"[a-zA-Z0-9]{9}")


class CallIds:
    """The ids of one request to `provider`; its messages are gone through in their order. `nine`: Mistral's rule."""

    def __init__(self, provider: str, *, nine: bool = False) -> None:
        self._provider = provider
        self._safe = nine_characters if nine else safe_call_id
        self._sent: dict[str, str] = {}

    def take(self, message: AssistantMessage) -> None:
        """Learn the ids of a message's calls: results that follow are sent under the same."""
        own = message.provider == self._provider
        for call in message.tool_calls:
            self._sent[call.call_id] = call.call_id if own else self._safe(call.call_id)

    def sent(self, call_id: str) -> str:
        """The id at the vendor."""
        return self._sent.get(call_id) or self._safe(call_id)


def safe_call_id(call_id: str) -> str:
    """The id itself where every vendor takes it; else one made of its hash, the same each time."""
    if _TAKEN.fullmatch(call_id):
        return call_id
    return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"


def nine_characters(call_id: str) -> str:
    """The id itself where it is nine letters and digits; else nine of its hash."""
    return call_id if _NINE.fullmatch(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:9]
