"""How a client's text frame is read, refused and hashed; how frames are joined."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import ProtocolError
from core.messages import Part
from core.wire.codec import (
    Decoded,
    Invalid,
    Malformed,
    TooLarge,
    decode_client,
    digest,
    encode_ok,
    join,
)
from core.wire.frames import HistoryGet, MessageSend, SessionLive
from core.wire.limits import content_problem, user_id_problem
from core.wire.server_text import OkReceived, Unknown, decode_server

SECRET = "segredo"


def send(**changes: Any) -> dict[str, Any]:
    return {"type": "message.send", "cid": "c1", "session_id": "ses_1", "content": "olá"} | changes


def opening(**changes: Any) -> dict[str, Any]:
    return {"type": "session.open", "cid": "c1"} | changes


WRONG = {
    "unknown_type": ({"type": SECRET, "cid": "c1"}, "Unknown frame type"),
    "missing_session": ({"type": "message.send", "cid": "c1", "content": SECRET}, "message.send needs session_id"),
    "missing_nested_field": (opening(resume={"epoch": "e"}), "session.open needs resume.seq"),
    "content_of_another_type": (send(content=7), "content of message.send must be 1 to 16000"),
    "content_too_long": (send(content="x" * 16_001), "content of message.send must be 1 to 16000"),
    "content_empty": (send(content=""), "content of message.send must be"),
    "content_only_white_space": (send(content=" \n\t\u2003"), "content must not be empty or only white space"),
    "content_without_parts": (send(content=[]), "content of message.send must be"),
    "parts_too_long_together": (
        send(content=[{"type": "text", "text": "x" * 8_001}] * 2),
        "content must be at most 16000 characters, got 16003",
    ),
    "part_of_unknown_kind": (send(content=[{"type": SECRET}]), "content[0].type of message.send must be text, image"),
    "text_part_without_text": (send(content=[{"type": "text"}]), "content[0] is a text part and needs text"),
    "image_from_nowhere": (send(content=[{"type": "image"}]), "content[0] needs url or media_id"),
    "text_parts_of_white_space": (send(content=[{"type": "text", "text": " "}]), "only white space"),
    "nul_in_content": (send(content=f"{SECRET}\0"), "content must hold neither NUL nor lone surrogates"),
    "lone_surrogate_in_content": (send(content=f"{SECRET}\ud800"), "content must hold neither NUL"),
    "nul_in_a_part": (send(content=[{"type": "text", "text": "a\0"}]), "content[0].text must hold neither"),
    "nul_in_meta": (send(meta={SECRET: ["\0"]}), "meta[0] must hold neither"),
    "nul_in_a_key": (send(meta={"a\0": 1}), "meta must hold neither"),
    "nul_in_an_unknown_field": (send(**{SECRET: "\0"}), "an unknown field must hold neither"),
    "nul_in_an_unknown_key": (send(**{"\0": 1}), "the frame must hold neither"),
    "on_busy_unknown": (send(on_busy=f"{SECRET} - at `$.leak`"), "on_busy of message.send must be queue, merge"),
    "as_unknown": (send(**{"as": SECRET}), "as of message.send must be operator"),
    "meta_no_object": (send(meta=[SECRET]), "meta of message.send must be an object"),
    "session_name_with_space": (opening(session_id=f"{SECRET} x"), "session_id of session.open must be 1 to 64"),
    "session_name_with_line_feed": (opening(session_id="abc\n"), "session_id of session.open must be 1 to 64"),
    "session_name_too_long": (opening(session_id="a" * 65), "session_id of session.open must be 1 to 64"),
    "user_id_empty": (opening(user_id=""), "user_id of session.open must be a string of 1 to 128"),
    "user_id_too_long": (opening(user_id="a" * 129), "user_id of session.open must be a string of 1 to 128"),
    "user_id_not_printable": (opening(user_id="a\x7f"), "user_id must be a string of 1 to 128 printable"),
    "resume_before_the_beginning": (opening(resume={"epoch": "e", "seq": -1}), "resume.seq of session.open"),
    "snapshot_no_boolean": (opening(snapshot=1), "snapshot of session.open must be true or false"),
    "score_of_none": (
        {"type": "feedback.create", "cid": "c1", "session_id": "s", "message_id": "m", "score": 0},
        "score of feedback.create must be -1 or 1",
    ),
    "history_below_one": (
        {"type": "history.get", "cid": "c1", "session_id": "s", "limit": 0},
        "limit of history.get must be an integer of at least 1",
    ),
}


@pytest.mark.parametrize("row", WRONG)
def test_a_wrong_frame_is_refused_by_a_sentence_that_names_the_field_and_repeats_nothing(row: str) -> None:
    frame, sentence = WRONG[row]
    read = decode_client(json.dumps(frame))
    assert isinstance(read, Invalid)
    assert sentence in read.message
    assert (read.re, read.type) == ("c1", frame["type"])
    assert SECRET not in read.message


@pytest.mark.parametrize(
    "cid", [None, 7, "", "c" * 65, "c\0", "c\ud800"], ids=["absent", "number", "empty", "long", "nul", "surrogate"]
)
def test_a_cid_that_is_wrong_itself_is_not_given_back(cid: object) -> None:
    read = decode_client(json.dumps(send(cid=cid)))
    assert isinstance(read, Invalid)
    assert read.re is None
    assert "cid" in read.message


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", '"a"', "null", "{}", '{"type":1}', '{"type":"ping"} x', '{"type":"ping","t":NaN}', "[" * 60_000],
)
def test_what_is_not_an_object_with_a_string_type_is_malformed(text: str) -> None:
    assert isinstance(decode_client(text), Malformed)


def test_a_number_beyond_all_bounds_is_refused() -> None:
    read = decode_client('{"type":"delivery.take","cid":"c","channel":"web","limit":' + "9" * 5_000 + "}")
    assert isinstance(read, Invalid)
    assert (read.re, read.message) == ("c", "limit of delivery.take must be an integer of at least 1.")


def test_a_surrogate_that_is_not_even_escaped_is_refused() -> None:
    assert isinstance(decode_client('{"type":"ping","t":"\ud800"}'), Invalid)


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_frame_of_64_kib_is_read_and_one_byte_more_is_too_large(letter: str) -> None:
    frame = json.dumps({"type": "ping", "pad": ""}, ensure_ascii=False)
    pad = (65_536 - len(frame)) // len(letter.encode()) * letter
    fits = frame.replace('""', f'"{pad}"').ljust(65_536 - len(pad.encode()) + len(pad))
    assert len(fits.encode()) == 65_536
    assert isinstance(decode_client(fits), Decoded)
    assert isinstance(decode_client(fits + " "), TooLarge)


def test_fields_that_are_not_known_are_ignored() -> None:
    assert decode_client(json.dumps(send(later=[1]))) == decode_client(json.dumps(send()))


def test_the_words_backslash_u0000_are_no_nul() -> None:
    assert isinstance(decode_client(json.dumps(send(content="\\u0000"))), Decoded)


@pytest.mark.parametrize(("asked", "read"), [({}, 50), ({"limit": 200}, 200), ({"limit": 9_999}, 200)])
def test_history_gives_50_and_at_most_200(asked: dict[str, int], read: int) -> None:
    frame = {"type": "history.get", "cid": "c", "session_id": "s"} | asked
    assert decode_client(json.dumps(frame)) == Decoded(frame=HistoryGet(cid="c", session_id="s", limit=read))


def test_a_picture_needs_no_words() -> None:
    assert content_problem((Part(type="image", media_id="m"),)) is None
    assert user_id_problem("José Ñ") is None


def test_a_digest_is_of_the_body_however_it_is_written_and_not_of_the_cid() -> None:
    one = MessageSend(cid="1", session_id="s", content="x", meta={"a": 1, "b": 2})
    same = MessageSend(cid="2", session_id="s", content="x", meta={"b": 2, "a": 1}, on_busy="queue")
    other = MessageSend(cid="1", session_id="s", content="y", meta={"a": 1, "b": 2})
    assert digest(one) == digest(same) != digest(other)


def test_an_oks_result_stands_beside_re() -> None:
    assert json.loads(encode_ok("c", {"state": "running"})) == {"type": "ok", "re": "c", "state": "running"}
    assert json.loads(encode_ok("c", {}, duplicate=True)) == {"type": "ok", "re": "c", "duplicate": True}


@pytest.mark.parametrize(
    ("frames", "joined"),
    [
        ([b"{}"], b"{}"),
        ([b"[{},{}]"], b"[{},{}]"),
        ([b'{"a":1}', b"[{},{}]", b"[]", b"{}"], b'[{"a":1},{},{},{}]'),
        ([], b"[]"),
    ],
)
def test_frames_that_are_ready_go_as_one(frames: list[bytes], joined: bytes) -> None:
    assert join(frames) == joined


def test_a_client_reads_an_array_in_order_and_keeps_what_it_does_not_know() -> None:
    text = (
        '[{"type":"session.live","session_id":"s","seq":1},{"type":"ok","re":"c","later":2},'
        '{"type":"later.event","session_id":"s","seq":2,"x":1},{"type":"later.signal"}]'
    )
    assert decode_server(text) == [
        SessionLive(session_id="s", seq=1),
        OkReceived(re="c", duplicate=False, result={"later": 2}),
        Unknown(type="later.event", session_id="s", seq=2),
        Unknown(type="later.signal"),
    ]


@pytest.mark.parametrize("text", ["", "7", "[7]", "{}", '{"type":1}', "x"])
def test_a_client_raises_on_what_is_no_frame(text: str) -> None:
    with pytest.raises(ProtocolError):
        decode_server(text)
