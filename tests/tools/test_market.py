"""The market tool against a real local server that serves the shapes of SGS, and against one that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.clock import FakeClock
from core.errors import SettingsError, ToolError
from core.ports import ToolContext
from tests.tools.http_server import (
    ScriptedServer,
    answer,
    cut_in_mid_body,
    endless,
    hang,
    hang_in_mid_body,
    redirect,
    scripted_server,
)
from tools import Registry
from tools.builtin.http import HttpError
from tools.builtin.last_values import KnownValue, LastValuesFile
from tools.builtin.market import Market, MarketSettings, latest

# As https://api.bcb.gov.br/dados/serie/bcdata.sgs.1/dados/ultimos/3?formato=json answers.
DOLLAR = '[{"data":"12/11/2023","valor":"4.9"},{"data":"13/11/2023","valor":"4.9123"},{"data":"14/11/2023","valor":"4.8705"}]'
# Series 432 is published to the next meeting: the last value is of a day to come.
SELIC = '[{"data":"13/11/2023","valor":"12.25"},{"data":"14/11/2023","valor":"12.25"},{"data":"15/12/2023","valor":"12.00"}]'
NOW_MS = 1_700_000_000_000  # 2023-11-14

MakeMarket = Callable[..., Market]


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as made:
        yield made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(now_ms=NOW_MS)


@pytest.fixture
async def make_market(server: ScriptedServer, clock: FakeClock, tmp_path: Path) -> AsyncIterator[MakeMarket]:
    made: list[Market] = []

    def make(**settings: Any) -> Market:
        values = {"base_url": server.url + "/", "allowed_hosts": ("127.0.0.1",), "timeout_s": 0.3, **settings}
        made.append(Market(MarketSettings(**values), LastValuesFile(tmp_path / "data" / "market.json"), clock=clock))
        return made[-1]

    yield make
    for market in made:
        await market.close()


@pytest.fixture
def look_up(context: ToolContext) -> Callable[..., Any]:
    async def call(market: Market, context: ToolContext = context, **arguments: Any) -> dict[str, Any]:
        registry = Registry(market.tools())
        checked = registry.check("market", msgspec.json.encode(arguments).decode())
        outcome = await registry.call("market", checked, context)
        content: dict[str, Any] = msgspec.json.decode(outcome.content)
        return content | {"summary": outcome.summary}

    return call


async def test_the_dollar_comes_with_its_day_and_source(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any
) -> None:
    server.play(answer(DOLLAR))

    found = await look_up(make_market(), series=["usd_brl"])

    assert found["series"] == [
        {
            "name": "usd_brl",
            "unit": "BRL per USD, PTAX sell rate",
            "source": "Banco Central do Brasil, SGS 1",
            "value": 4.8705,
            "date": "2023-11-14",
            "stale": False,
        }
    ]
    assert found["summary"] == "Dólar (PTAX, venda): R$ 4,8705 (2023-11-14)."
    assert server.requests == ["/dados/serie/bcdata.sgs.1/dados/ultimos/10?formato=json"]


async def test_the_selic_in_force_is_not_one_of_a_day_to_come(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any, context_in: Any
) -> None:
    server.play(answer(SELIC))

    found = await look_up(make_market(), context_in("en"), series=["selic"])

    assert (found["series"][0]["value"], found["series"][0]["date"]) == (12.25, "2023-11-14")
    assert found["summary"] == "Selic target rate: 12.25 % (2023-11-14)."


async def test_a_past_day_gets_the_rate_that_was_in_force(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any
) -> None:
    server.play(answer('[{"data":"28/12/2017","valor":"3.3080"},{"data":"29/12/2017","valor":"3.3080"}]'))

    found = await look_up(make_market(), series=["usd_brl"], date="2017-12-31")

    assert (found["series"][0]["value"], found["series"][0]["date"]) == (3.308, "2017-12-29")
    assert "dataInicial=21%2F12%2F2017&dataFinal=31%2F12%2F2017" in server.requests[0]


async def test_both_series_come_in_the_order_in_which_they_were_asked_for(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any
) -> None:
    server.play(answer(DOLLAR))

    found = await look_up(make_market(), series=["selic", "usd_brl"])

    assert [entry["name"] for entry in found["series"]] == ["selic", "usd_brl"]


async def test_a_value_is_not_asked_for_again_within_the_cache_time(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any, clock: FakeClock
) -> None:
    server.play(answer(DOLLAR))
    market = make_market(cache_s=60)
    await look_up(market, series=["usd_brl"])

    clock.advance(59)
    await look_up(market, series=["usd_brl"])
    asked_within = len(server.requests)
    clock.advance(2)
    await look_up(market, series=["usd_brl"])

    assert (asked_within, len(server.requests)) == (1, 2)


async def test_questions_at_the_same_time_share_one_request(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any
) -> None:
    server.play(answer(DOLLAR))
    market = make_market()

    await asyncio.gather(*(look_up(market, series=["usd_brl"]) for _ in range(5)))

    assert len(server.requests) == 1


FAULTS = [
    pytest.param(cut_in_mid_body('[{"data":"14/11/2023",'), id="cut_in_mid_body"),
    pytest.param(hang(), id="hangs"),
    pytest.param(hang_in_mid_body("["), id="hangs_in_mid_body"),
    pytest.param(answer("oops", "500 Internal Server Error"), id="status_500"),
    pytest.param(answer("slow down", "429 Too Many Requests"), id="status_429"),
    pytest.param(answer("<html>manutenção</html>"), id="a_page_with_status_200"),
    pytest.param(answer("[]"), id="no_value"),
    pytest.param(answer('[{"data":"14/11/2023","valor":"NaN"}]'), id="not_a_number"),
    pytest.param(answer('[{"data":"14/11/2023","valor":"-1"}]'), id="not_a_rate"),
    pytest.param(answer('[{"data":"2023-11-14","valor":"4.87"}]'), id="another_form_of_date"),
    pytest.param(answer('[{"data":"14/11/2023"}]'), id="no_number"),
    pytest.param(answer('[{"data":"20/11/2023","valor":"4.87"}]'), id="only_days_to_come"),
    pytest.param(redirect("http://evil.test/"), id="redirect_outside"),
    pytest.param(endless(), id="endless"),
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_source_that_fails_gives_the_last_known_value_with_its_date_after_a_restart(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any, fault: Any
) -> None:
    server.play(answer(DOLLAR))
    await look_up(make_market(), series=["usd_brl"])
    server.play(fault)

    found = await look_up(make_market(), series=["usd_brl"])  # another process, the same file

    entry = found["series"][0]
    assert (entry["value"], entry["date"], entry["stale"]) == (4.8705, "2023-11-14", True)
    assert found["summary"] == "Dólar (PTAX, venda): R$ 4,8705 (2023-11-14, último valor conhecido)."


async def test_a_source_that_fails_once_is_asked_a_second_time(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any
) -> None:
    server.play(cut_in_mid_body("["), answer(DOLLAR))

    found = await look_up(make_market(), series=["usd_brl"])

    assert found["series"][0]["stale"] is False
    assert len(server.requests) == 2


async def test_a_source_that_fails_is_left_alone_for_half_a_minute(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any, clock: FakeClock
) -> None:
    server.play(answer(DOLLAR))
    market = make_market(cache_s=0)
    await look_up(market, series=["usd_brl"])
    server.play(answer("oops", "404 Not Found"))
    await look_up(market, series=["usd_brl"])

    clock.advance(29)
    await look_up(market, series=["usd_brl"])
    asked_while_resting = len(server.requests)
    server.play(answer(DOLLAR))
    clock.advance(2)
    found = await look_up(market, series=["usd_brl"])

    assert asked_while_resting == 2
    assert found["series"][0]["stale"] is False


async def test_without_any_value_the_tool_says_so_and_gives_no_number(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any
) -> None:
    server.play(answer("oops", "500 Internal Server Error"))

    with pytest.raises(ToolError, match="give no number") as caught:
        await look_up(make_market(), series=["usd_brl", "selic"])

    assert caught.value.retryable


async def test_one_missing_series_does_not_hide_the_other(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any
) -> None:
    server.play(answer(DOLLAR))
    await look_up(make_market(), series=["usd_brl"])
    server.play(answer("oops", "500 Internal Server Error"))

    found = await look_up(make_market(), series=["usd_brl", "selic"])

    assert found["series"][0]["value"] == 4.8705
    assert found["series"][1]["error"] == "not available now"
    assert "indisponível agora" in found["summary"]


async def test_the_last_known_value_is_not_given_for_another_day(
    server: ScriptedServer, make_market: MakeMarket, look_up: Any
) -> None:
    server.play(answer(DOLLAR))
    await look_up(make_market(), series=["usd_brl"])
    server.play(answer("oops", "500 Internal Server Error"))

    with pytest.raises(ToolError, match="give no number"):
        await look_up(make_market(), series=["usd_brl"], date="2020-05-05")


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("yesterday", "expected YYYY-MM-DD"),
        ("2030-01-01", "to today, 2023-11-14"),
        ("1980-01-01", "allowed: 1999-03-05"),
    ],
)
async def test_a_day_that_cannot_be_answered_is_refused(
    make_market: MakeMarket, look_up: Any, day: str, message: str
) -> None:
    with pytest.raises(ToolError, match=message) as caught:
        await look_up(make_market(), series=["usd_brl"], date=day)

    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize("content", [b"garbage", b'{"usd_brl": 5}', b""])
async def test_a_damaged_file_of_last_values_is_as_if_there_were_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "market.json").write_bytes(content)

    assert await LastValuesFile(tmp_path / "market.json").load() == {}


async def test_a_file_that_cannot_be_written_does_not_fail_the_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = LastValuesFile(tmp_path / "file" / "market.json")

    await store.save({"usd_brl": KnownValue(value=5.0, day=date(2023, 11, 14))})

    assert await store.load() == {}


@pytest.mark.parametrize("url", ["api.bcb.gov.br", "ftp://api.bcb.gov.br", "http://", "http://[::1"])
def test_a_base_url_that_is_none_is_refused_at_start(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MARKET_BASE_URL"):
        Market(MarketSettings(base_url=url), LastValuesFile(tmp_path / "market.json"))


def test_a_decimal_comma_is_read() -> None:
    body = b'[{"data":"14/11/2023","valor":"4,8705"}]'

    assert latest(body, date(2023, 11, 14)) == KnownValue(value=4.8705, day=date(2023, 11, 14))


def test_bytes_that_are_no_text_are_an_error() -> None:
    with pytest.raises(HttpError, match="not a list of dates and values"):
        latest(b"\xff\xfe", date(2023, 11, 14))
