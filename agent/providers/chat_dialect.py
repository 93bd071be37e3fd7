"""What servers that speak Chat Completions want otherwise than OpenAI, known by their host's name."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

_OPENAI: Final = (".openai.com", ".openai.azure.com")
_MISTRAL: Final = (".mistral.ai",)
_THOUGHTFUL: Final = (".deepseek.com", ".moonshot.ai", ".moonshot.cn")


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One server's ways; the defaults are those of a server that nothing is known of."""

    limit_name: str = "max_tokens"
    """What bounds the output: OpenAI's own field is `max_completion_tokens`."""
    nine_character_ids: bool = False
    """Ids of calls that another vendor gave are nine letters and digits (Mistral)."""
    wants_thoughts: bool = False
    """A message with calls must have `reasoning_content`, be it empty: else a thinking model of DeepSeek or Kimi
    answers 400 (api-docs.deepseek.com, thinking mode; deer-flow #3043, obsidian-yolo #243)."""


def dialect_of(base_url: str) -> Dialect:
    """The ways of the server at an address."""
    host = urlsplit(base_url).hostname or ""
    return Dialect(
        limit_name="max_completion_tokens" if host.endswith(_OPENAI) else "max_tokens",
        nine_character_ids=host.endswith(_MISTRAL),
        wants_thoughts=host.endswith(_THOUGHTFUL),
    )
