"""Splits Redis' answers (RESP 2 and 3) into whole ones, as bytes."""

from __future__ import annotations

from typing import Final

_BULK: Final = b"$!="
_NESTED: Final = {b"*": 1, b">": 1, b"~": 1, b"%": 2}
"""How many values an entry of an aggregate has."""


class Frames:
    """Give it what is read; it gives the answers that are whole."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The answers that have come to their end."""
        self._buffer += data
        frames: list[bytes] = []
        while (end := _end(self._buffer, 0)) is not None:
            frames.append(self._buffer[:end])
            self._buffer = self._buffer[end:]
        return frames


def _end(data: bytes, start: int) -> int | None:
    """Where the value that begins at `start` ends; None: further on."""
    line = data.find(b"\r\n", start)
    if line < 0:
        return None
    kind, position = data[start : start + 1], line + 2
    if kind in _NESTED:
        for _ in range(int(data[start + 1 : line]) * _NESTED[kind]):
            inner = _end(data, position)
            if inner is None:
                return None
            position = inner
        return position
    if kind in _BULK:
        size = int(data[start + 1 : line])
        position = line + 2 if size < 0 else line + 2 + size + 2
        return position if len(data) >= position else None
    return position
