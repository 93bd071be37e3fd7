"""RFC 6455's frames, as much of them as a client of a bench needs; sans I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

TEXT: Final = 0x1
CONTINUATION: Final = 0x0
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_NO_MASK: Final = bytes(4)
"""A mask of zeros is a mask (RFC 6455, section 5.3 asks for chance to guard proxies; there is none here)."""


def client_frame(opcode: int, payload: bytes) -> bytes:
    """Encode a frame as a client must: masked, in one piece (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes((_FINAL | opcode, _MASKED | size))
    elif size < 65536:
        head = bytes((_FINAL | opcode, _MASKED | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL | opcode, _MASKED | 127)) + size.to_bytes(8, "big")
    return head + _NO_MASK + payload


class FrameReader:
    """Cuts bytes into whole messages; sans I/O."""

    def __init__(self) -> None:
        self._buffer = b""
        self._fragments: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Give each message that is whole now, as (opcode, payload); fragments come joined, as text."""
        buffer = self._buffer + data if self._buffer else data
        place = 0
        while (found := _frame_at(buffer, place)) is not None:
            first, start, end = found
            place = end
            opcode, payload = first & 0x0F, buffer[start:end]
            if opcode in (TEXT, CONTINUATION):
                self._fragments.append(payload)
                if first & _FINAL:
                    yield TEXT, b"".join(self._fragments)
                    self._fragments.clear()
            else:
                yield opcode, payload
        self._buffer = buffer[place:]


def _frame_at(buffer: bytes, place: int) -> tuple[int, int, int] | None:
    """Give a server frame's first byte and where its payload begins and ends, or None where it is not whole."""
    if len(buffer) < place + 2:
        return None
    size, start = buffer[place + 1], place + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        if len(buffer) < start + width:
            return None
        size, start = int.from_bytes(buffer[start : start + width], "big"), start + width
    return (buffer[place], start, start + size) if len(buffer) >= start + size else None
