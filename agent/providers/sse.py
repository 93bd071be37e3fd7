"""Server-sent events from bytes as the network cuts them (WHATWG HTML, section 9.2.6): only what model APIs use.

Lines end in LF, CR LF or CR; comments are skipped; the `data` lines of an event are joined by LF. Bytes are not
decoded here, so a character that is split between two reads is whole again when its line is.
"""

from __future__ import annotations

from typing import Final

from core.errors import ProviderError

_LONGEST_EVENT_BYTES: Final = 8 * 1024 * 1024
"""A vendor that sends more without an end of event is not one."""


class SseParser:
    """Eats bytes, gives the data of whole events. No I/O."""

    def __init__(self) -> None:
        self._rest = b""  # of the event that has not ended yet, and perhaps half a line end

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that end in `chunk`, in order. Raises ProviderError for an event of over 8 MiB."""
        buffer = self._rest + chunk if self._rest else chunk
        held = b""
        if b"\r" in buffer:
            buffer, held = (buffer[:-1], b"\r") if buffer.endswith(b"\r") else (buffer, b"")  # CR LF may be split
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = buffer.rfind(b"\n\n")
        self._rest = (buffer[end + 2 :] if end >= 0 else buffer) + held
        if len(self._rest) > _LONGEST_EVENT_BYTES:
            raise ProviderError("the provider sent an event that does not end", retryable=False)
        return _events(buffer[:end]) if end >= 0 else []

    def finish(self) -> list[bytes]:
        """The data of a last event whose blank line never came."""
        rest, self._rest = self._rest.rstrip(b"\r"), b""
        return _events(rest)


def _events(whole: bytes) -> list[bytes]:
    """The data of events that are whole, without the last blank line."""
    if whole.startswith(b"data: "):
        events = whole[6:].split(b"\n\ndata: ")
        if whole.count(b"\n") == 2 * len(events) - 2:  # as most vendors send: one line each, so that is all
            return events
    return [data for block in whole.split(b"\n\n") if (data := _data(block)) is not None]


def _data(block: bytes) -> bytes | None:
    """The data of one event; None where it has none, as a comment."""
    block = block.strip(b"\n")
    if block.startswith((b"{", b"[")):
        return block  # a bare JSON body in place of events: an error, by a proxy or a small server
    lines = [line[6:] if line[5:6] == b" " else line[5:] for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None
