"""JSON texts, one a line, from bytes as the network cuts them (https://github.com/ndjson/ndjson-spec).

Bytes are not decoded here, so a character that is split between two reads is whole again when its line is.
"""

from __future__ import annotations

from typing import Final

from core.errors import ProviderError

_LONGEST_LINE_BYTES: Final = 8 * 1024 * 1024
"""A vendor that sends more without an end of line is not one."""


class NdjsonParser:
    """Eats bytes, gives whole lines that are not blank. No I/O."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._rest_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in `chunk`, in order. Raises ProviderError for a line of over 8 MiB."""
        *ended, rest = chunk.split(b"\n")
        if ended:
            ended[0] = b"".join([*self._rest, ended[0]])
            self._rest, self._rest_bytes = [], 0
        self._rest.append(rest)
        self._rest_bytes += len(rest)
        if self._rest_bytes > _LONGEST_LINE_BYTES:
            raise ProviderError("the provider sent a line that does not end", retryable=False)
        return [line for line in ended if line.strip()]

    def finish(self) -> list[bytes]:
        """A last line whose end never came."""
        rest = b"".join(self._rest)
        self._rest, self._rest_bytes = [], 0
        return [rest] if rest.strip() else []
