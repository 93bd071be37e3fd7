"""How many tokens a text is: an estimate by its characters, or exactly by tiktoken where that is loaded and worth it.

tiktoken wants its vocabularies from the network; here they come from the files that the package bpe-openai brings,
unpacked once to a folder where tiktoken looks first (the SHA-1 of the vocabulary's URL is the file's name).
For models of other vendors the count is an estimate, settled by the usage that they report.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Final, Protocol

from core.errors import SettingsError

_VOCABULARY_URL: Final = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
"""Where tiktoken 0.14 (tiktoken_ext/openai_public.py) would load it from."""
_CHARACTERS_PER_TOKEN: Final = 3.5
"""Portuguese, Spanish and JSON take more tokens than English's 4 characters each; rather too many than too few."""
EXACT_FROM_CHARACTERS: Final = 256
_EXACT_TO_CHARACTERS: Final = 16_000
"""Outside of these bounds the estimate is good enough, or counting would hold up the event loop for over 2 ms."""
_REMEMBERED: Final = 8_192


class _Encoding(Protocol):
    def encode_ordinary(self, text: str) -> list[int]: ...


class TokenCounter:
    """Counts tokens. Works at once, by estimate; exactly after `load`."""

    def __init__(self, *, cache_dir: Path | None = None) -> None:
        self._cache_dir = cache_dir
        self._encoding: _Encoding | None = None
        self._loading = asyncio.Lock()
        self._counted: dict[int, int] = {}  # by the text's hash: a history is counted anew in each step

    @property
    def is_exact(self) -> bool:
        """Whether the vocabulary is loaded."""
        return self._encoding is not None

    async def load(self) -> None:
        """Load the vocabulary in a thread (about half a second, 60 MB). Raises SettingsError where it is missing."""
        async with self._loading:
            if self._encoding is None:
                self._encoding = await asyncio.to_thread(_load_encoding, self._cache_dir)

    def count(self, text: str) -> int:
        """The tokens of a text; for very short and very long ones an estimate."""
        if self._encoding is None or not EXACT_FROM_CHARACTERS <= len(text) <= _EXACT_TO_CHARACTERS:
            return estimate_tokens(len(text))
        key = hash(text)
        if (known := self._counted.get(key)) is not None:
            return known
        if len(self._counted) >= _REMEMBERED:
            self._counted.clear()
        self._counted[key] = tokens = len(self._encoding.encode_ordinary(text))
        return tokens


def estimate_tokens(characters: int) -> int:
    """About how many tokens that many characters are; at least 1 for a text that is not empty."""
    return -int(-characters // _CHARACTERS_PER_TOKEN)


def _load_encoding(cache_dir: Path | None) -> _Encoding:
    folder = cache_dir if cache_dir is not None else Path(tempfile.gettempdir()) / f"prosa-tiktoken-{os.getuid()}"
    target = folder / hashlib.sha1(_VOCABULARY_URL.encode(), usedforsecurity=False).hexdigest()
    if not target.exists():
        _unpack_vocabulary(target)
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    import tiktoken  # here, off the event loop: it takes a while

    return tiktoken.get_encoding("o200k_base")


def _unpack_vocabulary(target: Path) -> None:
    package = importlib.util.find_spec("bpe_openai")  # found, not imported: its binary is 74 MB
    if package is None or not package.submodule_search_locations:
        raise SettingsError("the package bpe-openai is not installed; it brings the vocabulary that counts tokens")
    source = Path(package.submodule_search_locations[0]) / "data" / "o200k_base.tiktoken.gz"
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    partial.write_bytes(gzip.decompress(source.read_bytes()))
    partial.replace(target)
