"""Tools under the names that a vendor takes: there and back.

Vendors take letters, digits, `_` and `-`, up to 64 of them (OpenAI and Anthropic `^[a-zA-Z0-9_-]{1,64}$`; Gemini also
dots and colons, but no digit first). Ours may be anything, such as `crm.contacts.find`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

_OTHER: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST: Final = 64


class ToolNames:
    """The names of one request's tools. Two of ours are never one of theirs."""

    def __init__(self, names: Iterable[str]) -> None:
        self._sent: dict[str, str] = {}
        self._own: dict[str, str] = {}
        for name in names:
            plain = safe_name(name)
            sent = plain if plain not in self._own else _marked(plain, name)
            self._sent[name] = sent
            self._own[sent] = name

    def sent(self, name: str) -> str:
        """The name at the vendor; also of a tool that the request does not offer, such as one of the history's."""
        return self._sent.get(name) or safe_name(name)

    def offers(self, sent: str) -> bool:
        """Whether a tool was offered under this name."""
        return sent in self._own

    def own(self, sent: str) -> str:
        """Our name for what a model called; what we never sent stays as it is, for the answer to the model."""
        return self._own.get(sent, sent)


def safe_name(name: str) -> str:
    """A name that every vendor takes: what it does not is `_`; a long one is cut and marked with its hash."""
    plain = _OTHER.sub("_", name)
    if not plain or plain[0].isdigit() or plain[0] == "-":
        plain = f"_{plain}"
    return plain if len(plain) <= _LONGEST else _marked(plain, name)


def _marked(plain: str, name: str) -> str:
    return f"{plain[: _LONGEST - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
