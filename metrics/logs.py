"""The log: one line a fact, `event` first, then its fields. JSON for machines, coloured lines on a terminal.

    logger.info("turn.completed", turn_id=..., user_id=..., prompt=..., tokens_used=..., time_ms=..., tool_called=...)

What loguru binds by `contextualize` (session_id, turn_id, trace_id, node) and what a call adds are flat fields of the
line. Two rules hold for every line, whoever writes it: secrets are taken out of all texts (traces too), and a field
`prompt` passes `mask_prompt`. Traces of exceptions stay here; the wire never has them.

Lines are written at once, in the calling thread, without a queue: a line costs about 30 µs, a crash loses none, and
no thread can fall behind. The price: a reader of the stream that stops reading stops the server as well.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, TextIO

import msgspec
from loguru import logger

from metrics.masks import Prompts, redact
from metrics.masks import mask_prompt as mask_by

if TYPE_CHECKING:
    from loguru import Message, Record

FIELDS_FIRST: Final = ("ts", "level", "event")
_QUIET: Final = {
    "sqlalchemy.engine": logging.WARNING,  # below, it writes statements with their values: users' texts
    "aiosqlite": logging.WARNING,
    "asyncio": logging.WARNING,
    "stamina": logging.ERROR,  # who retries says so in words of its own
    "alembic": logging.WARNING,
}
_SECRET_NAMES: Final = ("password", "secret", "token", "ticket", "api_key", "apikey", "authorization", "cookie")
"""Fields whose names end so are not shown, whatever they hold."""
_COLOURS: Final = {"WARNING": "\033[33m", "ERROR": "\033[31m", "CRITICAL": "\033[1;31m", "DEBUG": "\033[2m"}
_DIM: Final = "\033[2m"
_BOLD: Final = "\033[1m"
_PLAIN: Final = "\033[0m"

_prompts: Prompts = "masked"


def configure_logs(
    level: str = "INFO",
    *,
    json: bool | None = None,
    prompts: Prompts = "masked",
    stream: TextIO | None = None,
) -> None:
    """Set the log of this process up; whatever was set up before is void.

    `level`: a name such as `INFO`, case does not matter. `json`: None: JSON unless `stream` is a terminal.
    `prompts`: what a field `prompt` keeps. `stream`: standard error by default. Takes the lines of the standard
    library's logging (uvicorn, redis, sqlalchemy) as well; start uvicorn with `log_config=None`.
    """
    global _prompts  # noqa: PLW0603 - the log is one per process, in loguru as well
    _prompts = prompts
    out = stream or sys.stderr
    as_json = not out.isatty() if json is None else json
    logger.remove()
    logger.add(
        _sink(out, _json_line if as_json else _readable_line),
        level=level.upper(),
        format=lambda _: "",  # the sink makes the line
        backtrace=False,
        diagnose=False,  # values of variables are not for logs
        catch=False,  # loguru would print the whole record, prompt and all; the sink minds its own failures
    )
    _take_standard_logging(level.upper())


class MaskedPrompt(str):
    """A prompt as the log keeps it: a line need not mask it again."""

    __slots__ = ()


def mask_prompt(text: str) -> MaskedPrompt | None:
    """What the log keeps of a prompt, by `prompts` of `configure_logs`; for other places that keep prompts alike."""
    masked = mask_by(text, _prompts)
    return None if masked is None else MaskedPrompt(masked)


def _sink(out: TextIO, line: Callable[[dict[str, Any], str | None], str]) -> Callable[[Message], None]:
    def write(message: Message) -> None:
        try:
            text = line(_fields(message.record), _trace(message.record))
        except Exception as error:  # noqa: BLE001 - a value that cannot be written must not end a turn
            lost = {"ts": _time(message.record), "level": "ERROR", "event": "log.failed", "error": type(error).__name__}
            text = line(lost, None)
        with suppress(OSError, ValueError):  # nobody reads any more, or the stream is closed
            out.write(text + "\n")
            out.flush()

    return write


def _fields(record: Record) -> dict[str, Any]:
    """The line's fields, safe to show."""
    fields: dict[str, Any] = {
        "ts": _time(record),
        "level": record["level"].name,
        "event": _text(record["message"]),
    }
    for name, value in record["extra"].items():
        if name == "prompt" and isinstance(value, str) and not isinstance(value, MaskedPrompt):
            value = mask_prompt(value)
        if value is not None and name not in FIELDS_FIRST:
            fields[name] = _named(name, value)
    return fields


def _time(record: Record) -> str:
    return f"{record['time'].astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z"


def _text(text: str) -> str:
    """A text without secrets, and without lone surrogates, which no encoding of a stream can write.

    None is remembered, however often it stands in lines: what users wrote must not outlive its line.
    """
    text = redact(text)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _named(name: str, value: Any) -> Any:
    return "[secret]" if name.lower().endswith(_SECRET_NAMES) else _safe(value)


def _safe(value: Any) -> Any:
    match value:
        case str():
            return _text(value)
        case bool() | int() | float():
            return value
        case dict():
            return {_text(str(key)): _named(str(key), item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_safe(item) for item in value]
        case None:
            return None
        case _:
            return _text(str(value))


def _trace(record: Record) -> str | None:
    problem = record["exception"]
    if problem is None or problem.value is None:
        return None
    lines = traceback.format_exception(problem.type, problem.value, problem.traceback)
    return _text("".join(lines)).rstrip()


def _json_line(fields: dict[str, Any], trace: str | None) -> str:
    if trace is not None:
        fields["exception"] = trace
    return msgspec.json.encode(fields).decode()


def _readable_line(fields: dict[str, Any], trace: str | None) -> str:
    level = fields["level"]
    values = " ".join(
        f"{_DIM}{name}={_PLAIN}{_one_line(value)}" for name, value in fields.items() if name not in FIELDS_FIRST
    )
    head = f"{_DIM}{fields['ts'][11:-1]}{_PLAIN} {_COLOURS.get(level, '')}{level:<7}{_PLAIN}"
    line = f"{head} {_BOLD}{_one_line(fields['event'])}{_PLAIN} {values}".rstrip()
    return line if trace is None else f"{line}\n{trace}"


def _one_line(value: Any) -> str:
    """A value without what could forge a second line or move the terminal's cursor."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


class _Intercept(logging.Handler):
    """Hands lines of the standard library's logging to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:  # a level that somebody made up
            level = record.levelno
        logger.opt(exception=record.exc_info).bind(logger=record.name).log(level, record.getMessage())


def _take_standard_logging(level: str) -> None:
    root = logging.getLogger()
    root.handlers = [_Intercept()]
    root.setLevel(level if level in logging.getLevelNamesMapping() else logging.INFO)
    for name in list(root.manager.loggerDict):
        handed = logging.getLogger(name)
        handed.handlers = []
        handed.propagate = True
    for name, at_least in _QUIET.items():
        logging.getLogger(name).setLevel(at_least)
    logging.captureWarnings(capture=True)
