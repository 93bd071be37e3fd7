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
        self._rest = b""  # a line that has not ended yet
        self._data: list[bytes] = []  # of the event that has not ended yet
        self._kept_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that end in `chunk`, in order. Raises ProviderError for an event of over 8 MiB."""
        self._kept_bytes += len(chunk)
        if self._kept_bytes > _LONGEST_EVENT_BYTES:
            raise ProviderError("the provider sent an event that does not end", retryable=False)
        buffer = self._rest + chunk if self._rest else chunk
        if b"\r" in buffer:
            buffer, held = (buffer[:-1], b"\r") if buffer.endswith(b"\r") else (buffer, b"")  # CR LF may be split
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        else:
            held = b""
        lines = buffer.split(b"\n")
        self._rest = lines.pop() + held
        return self._events(lines)

    def finish(self) -> list[bytes]:
        """The data of a last event whose blank line never came."""
        lines = [self._rest.rstrip(b"\r"), b""]
        self._rest = b""
        return self._events(lines)

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                    self._data = []
                self._kept_bytes = 0
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line[:1] in (b"{", b"["):
                self._data.append(line)  # a bare JSON body in place of events: an error, by a proxy or a small server
        return events
