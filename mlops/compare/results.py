"""What came back, on disk as it comes: `results.jsonl`, of which a run that was broken off is taken up again.

A line is a `run` (each time that somebody began or went on: the settings, which must be the same, and with what it was
measured) or a `result`. Each is on the disk before the next question is counted as done, so a killed process loses what
was under way and nothing else; a last line that it had half written is dropped.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import msgspec

from mlops.compare.order import Ask

RESULTS_NAME: Final = "results.jsonl"

FailureKind = Literal["http", "turn", "timeout", "cut", "unreachable"]


class ResultsError(Exception):
    """The results of a folder cannot be used or gone on with; the message says why and what to do."""


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured: taken up again, it must be the same. `url` None: a server of the run's own."""

    models: tuple[str, ...]
    questions_sha256: str
    repeats: int
    seed: int
    concurrency: int
    timeout_s: float
    agent: str | None
    url: str | None


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """With what it was measured; `prosa` is the commit of the code that asked, `+` where files were changed since."""

    prosa: str | None
    python: str
    system: str
    cpus: int
    packages: dict[str, str] = {}


class Run(msgspec.Struct, frozen=True, kw_only=True, tag="run", tag_field="type"):
    """Somebody began, or went on."""

    at_ms: int
    settings: RunSettings
    environment: Environment


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer.

    `http`: the request was refused (`code`: status and Prosa's code). `turn`: the turn ended otherwise than well (its
    code). `timeout`: not ended in time. `cut`: the stream ended before the turn. `unreachable`: no HTTP answer.
    """

    kind: FailureKind
    code: str = ""
    message: str = ""

    @property
    def label(self) -> str:
        """Kind and code in one."""
        return f"{self.kind} {self.code}".rstrip()


class Result(msgspec.Struct, frozen=True, kw_only=True, tag="result", tag_field="type"):
    """What one question to one model came to.

    Times are the asker's: from the request's first byte to the first text (`ttft_ms`; None: no text came) and to the
    turn's end or the failure (`latency_ms`). `cost_usd` 0 may be a model without a price. `failure` None: answered.
    """

    model: str
    question_id: str
    repeat: int
    started_at_ms: int
    latency_ms: float
    ttft_ms: float | None = None
    text: str = ""
    failure: Failure | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    served_by: str | None = None
    from_cache: bool = False
    tools: tuple[str, ...] = ()
    turn_id: str | None = None

    @property
    def ask(self) -> Ask:
        """What was asked of whom."""
        return Ask(self.model, self.question_id, self.repeat)


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """All of a file. `whole_bytes`: its length without a half-written last line."""

    runs: tuple[Run, ...]
    results: tuple[Result, ...]
    whole_bytes: int

    @property
    def settings(self) -> RunSettings:
        """What is measured."""
        return self.runs[0].settings


def read_results(path: Path) -> Results | None:
    """Read a file; None where it is not there or holds no whole line. Raises ResultsError for a line that is wrong."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultsError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    whole = data[: data.rfind(b"\n") + 1]
    lines = [_line(line, f"{str(path)!r}, line {number}") for number, line in enumerate(whole.splitlines(), start=1)]
    if not lines:
        return None
    if not isinstance(lines[0], Run):
        raise ResultsError(f"{str(path)!r} does not begin with its settings; give another folder with --out.")
    results = {line.ask: line for line in reversed(lines) if isinstance(line, Result)}  # the first of each counts
    return Results(
        runs=tuple(line for line in lines if isinstance(line, Run)),
        results=tuple(reversed(results.values())),
        whole_bytes=len(whole),
    )


def differences(before: RunSettings, now: RunSettings) -> list[str]:
    """Say what differs, a phrase each."""
    return [
        f"{name} was {getattr(before, name)!r}, now {getattr(now, name)!r}"
        for name in RunSettings.__struct_fields__
        if getattr(before, name) != getattr(now, name)
    ]


class ResultsWriter:
    """Adds lines to the file, each on the disk when `add` returns. One process at a time."""

    def __init__(self, path: Path, *, whole_bytes: int) -> None:
        self._path = path
        self._whole_bytes = whole_bytes
        self._turn = asyncio.Lock()

    def __enter__(self) -> Self:
        """Open the file and drop a half-written last line. Raises ResultsError where another process has it open."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise ResultsError(f"Another process writes to {str(self._path)!r}; wait for its end.") from error
        os.ftruncate(self._file, self._whole_bytes)
        os.lseek(self._file, 0, os.SEEK_END)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        os.close(self._file)

    async def add(self, line: Run | Result) -> None:
        """Write one line; off the event loop, since a disk takes its time."""
        async with self._turn:
            await asyncio.to_thread(self._write, msgspec.json.encode(line) + b"\n")

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        os.fsync(self._file)


def _line(line: bytes, where: str) -> Run | Result:
    try:
        decoded: Run | Result = msgspec.json.decode(line, type=Run | Result)
    except msgspec.DecodeError as error:
        raise ResultsError(f"{where}: {error}. Mend or remove the line, or give another folder with --out.") from error
    return decoded
