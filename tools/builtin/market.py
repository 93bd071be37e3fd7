"""The tool `market`: the dollar and Brazil's base interest rate, from the public API of its central bank.

The API is SGS (Sistema Gerenciador de Series Temporais), described at dadosabertos.bcb.gov.br:
`/dados/serie/bcdata.sgs.<code>/dados/ultimos/<n>?formato=json` gives `[{"data":"dd/mm/yyyy","valor":"5.1234"}]`,
oldest first; `/dados?formato=json&dataInicial=...&dataFinal=...` the same for a span of days.

What was asked within `cache_s` is not asked again. Where the API does not answer, the last known value is given
with its date, also after a restart; the API is then left alone for half a minute.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal

import httpx2
import msgspec
from loguru import logger

from core.clock import Clock, SystemClock
from core.errors import SettingsError, ToolError
from core.ports import ToolContext, ToolOutcome
from tools.builtin.http import GuardedHttp, HttpError, HttpRules
from tools.builtin.last_values import KnownValue, LastValues
from tools.decorator import Tool, tool

Series = Literal["usd_brl", "selic"]

_LATEST_ASKED: Final = 10
"""Values asked for: series 432 is published ahead to the committee's next meeting, so the last may be of tomorrow."""
_DAYS_BACK: Final = 10
"""No rate is made on weekends and holidays: the one in force on a day is at most so many days old."""
_RETRY_AFTER_S: Final = 30.0
_ATTEMPTS: Final = 2
_EARLIEST: Final = date(1999, 3, 5)
"""The first day of series 432; the dollar's floats since January of that year."""


class SeriesDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A series of SGS."""

    code: int
    unit: str
    titles: dict[str, str]
    pattern: str
    """How a value is written for people; `{value}` is filled in."""


SERIES: Final[dict[Series, SeriesDefinition]] = {
    "usd_brl": SeriesDefinition(
        code=1,
        unit="BRL per USD, PTAX sell rate",
        titles={"pt": "Dólar (PTAX, venda)", "en": "US dollar (PTAX, sell)", "es": "Dólar (PTAX, venta)"},
        pattern="R$ {value}",
    ),
    "selic": SeriesDefinition(
        code=432,
        unit="percent a year, target",
        titles={"pt": "Meta da taxa Selic", "en": "Selic target rate", "es": "Meta de la tasa Selic"},
        pattern="{value} %",
    ),
}


class MarketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where rates come from. Defaults: the central bank itself."""

    base_url: str = "https://api.bcb.gov.br"
    allowed_hosts: tuple[str, ...] = ("api.bcb.gov.br",)
    """See `HttpRules.hosts`; a private address must be listed itself."""
    timeout_s: float = 5.0
    cache_s: float = 900.0


class Market:
    """The tool and its cache. Close it last."""

    def __init__(
        self,
        settings: MarketSettings,
        last_values: LastValues,
        *,
        clock: Clock | None = None,
        http: GuardedHttp | None = None,
    ) -> None:
        """`http`: a client of your own. Raises SettingsError for a base URL that is none."""
        self._settings = settings
        self._store = last_values
        self._clock = clock or SystemClock()
        self._http = http or GuardedHttp(_rules(settings))
        self._cache: dict[tuple[Series, date | None], tuple[KnownValue, float]] = {}
        self._last: dict[str, KnownValue] | None = None
        self._rest_until_s: dict[Series, float] = {}
        self._locks: dict[Series, asyncio.Lock] = {series: asyncio.Lock() for series in SERIES}

    def tools(self) -> tuple[Tool, ...]:
        """The tool for the registry."""
        return (Tool(self.market),)

    async def close(self) -> None:
        """Free its connections."""
        await self._http.close()

    @tool(title="Market rates", titles={"pt": "Indicadores de mercado", "es": "Indicadores de mercado"}, timeout_s=20.0)
    async def market(
        self,
        context: ToolContext,
        series: Annotated[list[Series], msgspec.Meta(min_length=1, max_length=2)],
        date: str | None = None,
    ) -> ToolOutcome:
        """Look up the dollar in reais (usd_brl) and Brazil's base interest rate (selic) at the central bank of Brazil.

        Each value comes with the day that it is of. stale means that the source does not answer now and the value is
        the last one known: say so.

        Args:
            context: Who asks.
            series: What to look up.
            date: A past day as YYYY-MM-DD, or the last business day before it; default the latest value.
        """
        day = self._checked_day(date)
        asked = list(dict.fromkeys(series))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._entry(name, day), name=f"market.{name}") for name in asked]
        entries = [task.result() for task in tasks]
        if all("value" not in entry for entry in entries):
            raise ToolError(
                "The central bank does not answer now and no earlier value is known. Say so, and give no number.",
                retryable=True,
            )
        result = {"series": entries}
        return ToolOutcome(
            content=msgspec.json.encode(result).decode(), summary=_summary(entries, context.locale), result=result
        )

    async def _entry(self, series: Series, day: date | None) -> dict[str, Any]:
        definition = SERIES[series]
        entry: dict[str, Any] = {
            "name": series,
            "unit": definition.unit,
            "source": f"Banco Central do Brasil, SGS {definition.code}",
        }
        async with self._locks[series]:  # who asks while another does waits for its answer
            known, stale = await self._value(series, day)
        if known is None:
            return entry | {"error": "not available now"}
        return entry | {"value": known.value, "date": known.day.isoformat(), "stale": stale}

    async def _value(self, series: Series, day: date | None) -> tuple[KnownValue | None, bool]:
        """The value, and whether it is only the last known one."""
        now_s = self._clock.monotonic_s()
        cached = self._cache.get((series, day))
        if cached is not None and now_s < cached[1]:
            return cached[0], False
        if now_s < self._rest_until_s.get(series, 0.0):
            return await self._fallback(series, day)
        try:
            known = await self._fetch(series, day)
        except HttpError as error:
            logger.warning("market.unavailable", series=series, reason=str(error))
            self._rest_until_s[series] = self._clock.monotonic_s() + _RETRY_AFTER_S
            return await self._fallback(series, day)
        self._cache = {key: item for key, item in self._cache.items() if now_s < item[1]}
        self._cache[series, day] = known, now_s + self._settings.cache_s
        if day is None:
            await self._remember(series, known)
        return known, False

    async def _fetch(self, series: Series, day: date | None) -> KnownValue:
        path = f"{self._settings.base_url.rstrip('/')}/dados/serie/bcdata.sgs.{SERIES[series].code}/dados"
        parameters = {"formato": "json"}
        until = day or self._today()
        if day is None:
            path += f"/ultimos/{_LATEST_ASKED}"
        else:
            parameters["dataInicial"] = f"{day - timedelta(days=_DAYS_BACK):%d/%m/%Y}"
            parameters["dataFinal"] = f"{day:%d/%m/%Y}"
        return latest(await self._get(path, parameters), until)

    async def _get(self, url: str, parameters: Mapping[str, str]) -> bytes:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = await self._http.get(url, parameters)
                if answer.status == 200:
                    return answer.body
                raise HttpError(f"status {answer.status}", retryable=answer.status >= 500)
            except HttpError as error:
                if not error.retryable or attempt == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    async def _fallback(self, series: Series, day: date | None) -> tuple[KnownValue | None, bool]:
        """The last known value; for a past day only where it is of that very day."""
        known = (await self._known()).get(series)
        if known is None or (day is not None and known.day != day):
            return None, True
        return known, True

    async def _remember(self, series: Series, known: KnownValue) -> None:
        values = await self._known()
        if values.get(series) != known:
            values[series] = known
            await self._store.save(values)

    async def _known(self) -> dict[str, KnownValue]:
        if self._last is None:
            self._last = await self._store.load()
        return self._last

    def _checked_day(self, text: str | None) -> date | None:
        if text is None:
            return None
        try:
            day = date.fromisoformat(text)
        except ValueError as error:
            raise ToolError(f"date is {text[:40]!r}; expected YYYY-MM-DD.", code="invalid_request") from error
        if not _EARLIEST <= day <= self._today():
            raise ToolError(
                f"date is {text}; allowed: {_EARLIEST.isoformat()} to today, {self._today().isoformat()}.",
                code="invalid_request",
            )
        return day

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).date()


class _Point(msgspec.Struct, frozen=True):
    data: str
    valor: str


def latest(body: bytes, until: date) -> KnownValue:
    """The last value of an answer of SGS that is not after `until`. Raises HttpError for what is no such answer."""
    try:
        points = msgspec.json.decode(body, type=list[_Point])
        known = [KnownValue(value=_number(point.valor), day=_day(point.data)) for point in points]
    except (msgspec.MsgspecError, ValueError) as error:
        raise HttpError("the answer is not a list of dates and values") from error
    past = [item for item in known if item.day <= until]
    if not past:
        raise HttpError("the answer has no value for that day")
    return max(past, key=lambda item: item.day)


def _number(text: str) -> float:
    value = float(text.replace(",", "."))
    if not math.isfinite(value) or value <= 0:
        raise ValueError("not a rate")
    return value


def _day(text: str) -> date:
    day, month, year = text.split("/")
    return date(int(year), int(month), int(day))


def _rules(settings: MarketSettings) -> HttpRules:
    try:
        url = httpx2.URL(settings.base_url)
    except httpx2.InvalidURL as error:
        raise SettingsError("MARKET_BASE_URL is not a URL, such as https://api.bcb.gov.br") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError("MARKET_BASE_URL is not a URL, such as https://api.bcb.gov.br")
    ports = (80, 443) if url.port is None else (80, 443, url.port)
    return HttpRules(hosts=settings.allowed_hosts, ports=ports, timeout_s=settings.timeout_s)


def _summary(entries: list[dict[str, Any]], locale: str | None) -> str:
    language = (locale or "pt")[:2].lower()
    language = language if language in ("en", "es") else "pt"
    return "; ".join(_said(entry, language) for entry in entries) + "."


def _said(entry: dict[str, Any], language: str) -> str:
    definition = SERIES[entry["name"]]
    title = definition.titles[language]
    if "value" not in entry:
        return f"{title}: {_MISSING[language]}"
    digits = f"{entry['value']:.4f}".rstrip("0").ljust(len(f"{entry['value']:.0f}") + 3, "0")
    shown = definition.pattern.format(value=digits if language == "en" else digits.replace(".", ","))
    return f"{title}: {shown} ({entry['date']}{_STALE[language] if entry['stale'] else ''})"


_MISSING: Final = {"pt": "indisponível agora", "en": "not available now", "es": "no disponible ahora"}
_STALE: Final = {"pt": ", último valor conhecido", "en": ", last known value", "es": ", último valor conocido"}
