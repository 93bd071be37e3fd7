"""The log's lines: flat JSON for machines, readable for people, nothing in them that should not be."""

from __future__ import annotations

import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

from metrics import logs
from metrics.logs import configure_logs, mask_prompt

GOLDEN = Path(__file__).parent / "golden" / "log.jsonl"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


class Unspeakable:
    """A value that cannot be said."""

    def __str__(self) -> str:
        raise RuntimeError("private")


@pytest.fixture(autouse=True)
def _standard_logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers, root.level = handlers, level
    configure_logs(stream=io.StringIO())  # prompts are masked again
    logging.captureWarnings(capture=False)
    root.handlers, root.level = handlers, level


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _tell_a_turns_story() -> None:
    with logger.contextualize(node="node_1", session_id="ses_1", turn_id="turn_1", trace_id="trace_1"):
        logger.info("turn.started", attempt=1)
        logger.info(
            "turn.completed",
            user_id="ana",
            prompt="Meu CPF é 529.982.247-25, ana@x.com: quanto vendi?",
            tokens_used=120,
            time_ms=900.5,
            tool_called=("sales_query", "market"),
            cached=False,
            usage={"input": 100, "key": "sk-abcdefghijklmnop1234"},
            error=None,
        )
        logger.warning("provider.slow", error=TimeoutError("no token in 5 s from https://u:s3cret@host"))


def test_lines_are_those_that_collectors_know(stream):
    configure_logs("INFO", json=True, stream=stream)

    _tell_a_turns_story()

    told = re.sub(
        r'"ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"', '"ts":"2026-01-01T00:00:00.000Z"', stream.getvalue()
    )
    assert told == GOLDEN.read_text(encoding="utf-8")


def test_a_stream_that_is_no_terminal_gets_json(stream):
    configure_logs(stream=stream)

    logger.info("server.started")

    assert [line["event"] for line in _lines(stream)] == ["server.started"]


def test_a_terminal_gets_readable_lines():
    terminal = Terminal()
    configure_logs(stream=terminal)

    _tell_a_turns_story()

    plain = re.sub(r"\033\[[\d;]*m", "", terminal.getvalue())
    assert "\033[" in terminal.getvalue()
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} INFO    turn\.started node=node_1 .*attempt=1$", plain, re.MULTILINE)
    assert "[cpf]" in plain
    assert "s3cret" not in plain


def test_a_users_text_cannot_forge_a_line_on_a_terminal():
    terminal = Terminal()
    configure_logs(stream=terminal)

    logger.info("turn.completed", prompt="a\n12:00:00.000 ERROR   forged\033[2J")

    assert len(terminal.getvalue().splitlines()) == 1
    assert "\033[2J" not in terminal.getvalue()


def test_lines_below_the_level_are_left_out(stream):
    configure_logs("warning", stream=stream)

    logger.info("quiet")
    logging.getLogger("uvicorn.error").info("quiet as well")
    logger.warning("loud")

    assert [line["event"] for line in _lines(stream)] == ["loud"]


def test_braces_in_what_is_logged_are_left_alone(stream):
    configure_logs(stream=stream)

    logging.getLogger("redis").warning("reply was {not: a format} %s", "{}")

    assert _lines(stream)[0]["event"] == "reply was {not: a format} {}"


def test_an_exception_keeps_its_trace_on_one_line_without_secrets(stream):
    configure_logs(stream=stream)

    try:
        raise ConnectionError("cannot reach redis://:s3cret@cache:6379")
    except ConnectionError:
        logger.exception("redis.away")

    [line] = _lines(stream)
    assert line["level"] == "ERROR"
    assert "test_logs.py" in str(line["exception"])
    assert "ConnectionError: cannot reach redis://:[secret]@cache:6379" in str(line["exception"])


def test_an_exceptions_trace_is_readable_on_a_terminal():
    terminal = Terminal()
    configure_logs(stream=terminal)

    try:
        raise ValueError("wrong")
    except ValueError:
        logger.exception("bad")

    assert terminal.getvalue().rstrip().endswith("ValueError: wrong")


def test_fields_cannot_hide_what_every_line_says(stream):
    configure_logs(stream=stream)

    logger.bind(level="forged", event="forged").info("real")

    assert (_lines(stream)[0]["level"], _lines(stream)[0]["event"]) == ("INFO", "real")


def test_what_is_no_json_is_shown_as_text(stream):
    configure_logs(stream=stream)

    logger.info("odd", path=Path("/x"), names={"b"}, nothing={"a": None}, broken="\ud800")

    [line] = _lines(stream)
    assert [line[name] for name in ("path", "names", "nothing", "broken")] == ["/x", ["b"], {"a": None}, "?"]


def test_a_value_that_cannot_be_written_costs_its_line_only(stream, capsys):
    configure_logs(stream=stream)

    logger.info("turn.completed", prompt="private", odd=Unspeakable())
    logger.info("next")

    assert [line["event"] for line in _lines(stream)] == ["log.failed", "next"]
    assert "private" not in capsys.readouterr().err


def test_fields_whose_names_say_secret_are_not_shown(stream):
    configure_logs(stream=stream)

    logger.info("request", headers={"Authorization": "x y"}, visitor_token="abc", tokens_used=5)

    [line] = _lines(stream)
    assert (line["headers"], line["visitor_token"]) == ({"Authorization": "[secret]"}, "[secret]")
    assert line["tokens_used"] == 5


def test_a_stream_that_was_closed_ends_nothing(stream):
    configure_logs(stream=stream)
    stream.close()

    logger.info("nobody reads this")

    assert stream.closed


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access", "redis", "some.library"])
def test_the_standard_librarys_lines_come_the_same_way(stream, name):
    logging.getLogger(name).addHandler(logging.StreamHandler(io.StringIO()))
    configure_logs(stream=stream)

    logging.getLogger(name).warning("GET /ws?ticket=%s", "abcd1234")

    [line] = _lines(stream)
    assert (line["event"], line["logger"], line["level"]) == ("GET /ws?ticket=[secret]", name, "WARNING")


def test_exceptions_and_made_up_levels_of_the_standard_library_are_kept(stream):
    configure_logs(stream=stream)

    logging.getLogger("x").log(35, "odd", exc_info=ValueError("why"))

    [line] = _lines(stream)
    assert line["level"] == "Level 35"
    assert "ValueError: why" in str(line["exception"])


def test_statements_with_their_values_are_not_logged(stream):
    configure_logs("DEBUG", stream=stream)

    logging.getLogger("sqlalchemy.engine.Engine").info("INSERT ... [what the user said]")

    assert _lines(stream) == []


def test_warnings_go_to_the_log(stream):
    configure_logs(stream=stream)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    assert "DeprecationWarning: old" in str(_lines(stream)[0]["event"])


@pytest.mark.parametrize(
    ("prompts", "kept"),
    [
        pytest.param("off", None, id="off"),
        pytest.param("masked", "sou [email]", id="masked"),
        pytest.param("full", "sou ana@x.com", id="full"),
    ],
)
def test_prompts_are_kept_as_the_operator_says(stream, prompts, kept):
    configure_logs(stream=stream, prompts=prompts)

    logger.info("turn.completed", prompt="sou ana@x.com")

    assert _lines(stream)[0].get("prompt") == kept
    assert mask_prompt("sou ana@x.com") == kept


def test_what_a_line_said_is_not_kept_in_memory(stream):
    configure_logs(stream=stream)

    logger.info("turn.completed", prompt="Quanto?", user_id="ana")

    remembering = [one for one in vars(logs).values() if hasattr(one, "cache_info")]
    assert remembering == []


def test_a_prompt_that_was_masked_is_shown_as_it_is(stream):
    configure_logs(stream=stream)

    logger.info("turn.completed", prompt=mask_prompt("sou ana@x.com"))

    assert _lines(stream)[0]["prompt"] == "sou [email]"


def test_configuring_twice_writes_each_line_once(stream):
    configure_logs(stream=io.StringIO())
    configure_logs(stream=stream)

    logging.getLogger("uvicorn.error").warning("once")

    assert len(_lines(stream)) == 1
