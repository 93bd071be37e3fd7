from __future__ import annotations

import pytest

from bench.order import Order, faults, first_token, paced_token, parse_order, plain_token, read_tokens


def test_an_order_survives_the_way_through_a_request():
    order = Order(id="a7", tokens=12, rate=50, ttft_ms=20)

    assert parse_order(f'{{"messages":[{{"content":"{order.text()}"}}]}}'.encode()) == order


def test_the_last_order_of_a_request_counts_because_earlier_ones_are_history():
    history, question = Order(id="1", tokens=5), Order(id="2", tokens=7)

    assert parse_order(f"{history.text()} {question.text()}".encode()) == question


@pytest.mark.parametrize("body", [b"", b"bench(", b"bench(id=1 tokens=x rate=0 ttft_ms=0)"])
def test_a_request_without_an_order_is_refused(body: bytes):
    with pytest.raises(ValueError, match="no order"):
        parse_order(body)


def test_tokens_are_read_however_the_text_is_cut():
    text = first_token(900, 800) + paced_token(1, 950) + plain_token(2)
    pieces = [(text[:3], 1000), (text[3:12], 1100), (text[12:], 1200)]

    first, second, third = read_tokens(pieces)

    assert (first.index, first.sent_us, first.asked_us, first.received_us) == (0, 900, 800, 1100)
    assert (second.index, second.sent_us, second.asked_us, second.received_us) == (1, 950, None, 1200)
    assert (third.index, third.sent_us, third.received_us) == (2, None, 1200)


def test_what_is_no_token_is_refused():
    with pytest.raises(ValueError, match="hello"):
        read_tokens([("hello ", 1)])


@pytest.mark.parametrize(
    ("indexes", "fault"),
    [
        pytest.param([0, 1, 2], [], id="whole"),
        pytest.param([0, 2], ["1 of 3 tokens lost, 0 doubled, 0 out of order"], id="one_lost"),
        pytest.param([0, 1, 1, 2], ["0 of 3 tokens lost, 1 doubled, 0 out of order"], id="one_doubled"),
        pytest.param([0, 2, 1], ["0 of 3 tokens lost, 0 doubled, 1 out of order"], id="two_swapped"),
        pytest.param([], ["3 of 3 tokens lost, 0 doubled, 0 out of order"], id="nothing_came"),
    ],
)
def test_every_token_comes_once_and_in_order_or_is_reported(indexes: list[int], fault: list[str]):
    tokens = read_tokens([("".join(plain_token(index) for index in indexes), 1)])

    assert faults(tokens, 3) == fault
