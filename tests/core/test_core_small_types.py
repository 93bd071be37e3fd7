"""Ids, clocks, errors and the small types that everybody uses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from core.clock import FakeClock, SystemClock
from core.errors import (
    ERROR_CODES,
    HTTP_STATUS,
    BackendError,
    ErrorCode,
    ProtocolError,
    ProviderError,
    SessionErased,
    ToolError,
    UserError,
)
from core.ids import SequentialIds, SystemIds, trace_id
from core.measurements import NoMeasure, RunningTurnsChanged
from core.messages import Part, content_text, joined_content
from core.models import Usage
from core.turns import Principal

PROTOCOL = json.loads((Path(__file__).parents[1] / "golden" / "protocol.json").read_text())


def test_an_id_is_a_prefix_and_a_uuid_version_7_in_26_characters() -> None:
    identifier = SystemIds().new("turn")
    assert re.fullmatch(r"turn_[0-9a-hjkmnp-tv-z]{26}", identifier)
    value = 0
    for character in identifier.removeprefix("turn_"):
        value = value * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(character)
    assert (value >> 76 & 0xF, value >> 62 & 0x3) == (7, 2)


def test_ids_sort_by_the_time_of_their_making(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = SystemIds()
    monkeypatch.setattr("core.ids.time.time_ns", lambda: 1_700_000_000_000_000_000)
    earlier = ids.new("ses")
    monkeypatch.setattr("core.ids.time.time_ns", lambda: 1_700_000_000_001_000_000)
    assert earlier < ids.new("ses")


def test_ids_never_repeat() -> None:
    ids = SystemIds()
    assert len({ids.new("cid") for _ in range(1000)}) == 1000


def test_ids_of_tests_count_for_each_prefix() -> None:
    ids = SequentialIds()
    assert [ids.new("turn"), ids.new("msg"), ids.new("turn")] == ["turn_1", "msg_1", "turn_2"]


def test_a_turns_trace_is_32_hex_digits_and_the_same_everywhere() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", trace_id("turn_1"))
    assert trace_id("turn_1") == trace_id("turn_1") != trace_id("turn_2")


def test_a_fake_clock_moves_only_when_told() -> None:
    clock = FakeClock(now_ms=1000)
    clock.advance(1.5)
    assert (clock.now_ms(), clock.monotonic_s()) == (2500, 1.5)


def test_the_machines_clock_knows_this_century_and_never_goes_back() -> None:
    clock = SystemClock()
    earlier = clock.monotonic_s()
    assert clock.now_ms() > 1_700_000_000_000
    assert clock.monotonic_s() >= earlier


def test_the_error_codes_are_those_of_the_protocol() -> None:
    assert list(ERROR_CODES) == PROTOCOL["error_codes"].split()


def test_each_error_code_has_an_http_status() -> None:
    assert set(HTTP_STATUS) == set(ERROR_CODES)
    assert {code: HTTP_STATUS[code] for code in PROTOCOL["http_status"]} == PROTOCOL["http_status"]


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (UserError("wrong"), "invalid_request", False),
        (ProviderError("away"), "provider_unavailable", True),
        (ToolError("no such column"), "tool_failed", False),
        (BackendError("Redis is away"), "internal", True),
        (SessionErased("forgotten"), "not_found", False),
        (ProtocolError("not a frame", close_code=4500), "invalid_request", False),
        (UserError("slow down", code="rate_limited", retryable=True), "rate_limited", True),
    ],
)
def test_an_error_says_its_code_and_whether_to_try_again(error: UserError, code: ErrorCode, retryable: bool) -> None:
    assert (error.code, error.retryable) == (code, retryable)


def test_an_error_keeps_what_the_answer_needs() -> None:
    error = UserError("not JSON", status=400, retry_after_ms=5)
    assert (str(error), error.message, error.status, error.retry_after_ms) == ("not JSON", "not JSON", 400, 5)


def test_a_contents_words_leave_out_what_is_not_text() -> None:
    parts = (Part(type="text", text="a"), Part(type="image", url="u"), Part(type="text", text="b"))
    assert (content_text("a"), content_text(parts)) == ("a", "a\nb")


def test_usage_adds_up_field_by_field() -> None:
    one = Usage(input=1, output=2, cached=3, reasoning=4, total=5)
    assert one + one == Usage(input=2, output=4, cached=6, reasoning=8, total=10)


def test_a_principal_without_a_user_is_a_service() -> None:
    assert Principal(tenant="t", name="key").is_service
    assert not Principal(tenant="t", name="u", user_id="u").is_service


def test_no_measure_takes_anything() -> None:
    NoMeasure().emit(RunningTurnsChanged(count=1))


def test_texts_are_joined_by_a_blank_line_and_parts_stay_parts() -> None:
    parts = (Part(type="text", text="two"), Part(type="image", url="https://example.com/a.png"))
    assert joined_content(["one"]) == "one"
    assert joined_content([parts]) == parts
    assert joined_content(["one", "two"]) == "one\n\ntwo"
    assert joined_content(["one", parts]) == (Part(type="text", text="one"), *parts)
