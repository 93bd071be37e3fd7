"""Which days it may be: by the node's clock, yesterday, today and tomorrow of a time zone; Redis' clock picks one."""

from __future__ import annotations

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loguru import logger

from core.clock import Clock

_ZONES_KEPT: Final = 500


class Days:
    """Labels and ends of the days around now, made once a day and zone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: dict[str, tuple[int, int, tuple[str, ...]]] = {}

    def around(self, zone: str) -> tuple[str, ...]:
        """Label (`2026-03-01`) and end (Unix milliseconds) of yesterday, today and tomorrow, one after the other.

        A zone that is not known is UTC, which is logged as an error.
        """
        now_ms = self._clock.now_ms()
        begins_ms, ends_ms, days = self._made.get(zone, (0, 0, ()))
        if begins_ms <= now_ms < ends_ms:
            return days
        if len(self._made) >= _ZONES_KEPT:
            self._made.clear()
        begins_ms, ends_ms, days = _days(_zone(zone), now_ms)
        self._made[zone] = begins_ms, ends_ms, days
        return days


def _days(zone: dt.tzinfo, now_ms: int) -> tuple[int, int, tuple[str, ...]]:
    today = dt.datetime.fromtimestamp(now_ms / 1000, zone).date()
    dates = [today + dt.timedelta(days=offset) for offset in (-1, 0, 1)]
    ends = [_midnight_ms(date + dt.timedelta(days=1), zone) for date in dates]
    flat = tuple(part for date, end in zip(dates, ends, strict=True) for part in (date.isoformat(), str(end)))
    return ends[0], ends[1], flat


def _midnight_ms(date: dt.date, zone: dt.tzinfo) -> int:
    return round(dt.datetime.combine(date, dt.time(), zone).timestamp() * 1000)


def _zone(name: str) -> dt.tzinfo:
    if name == "UTC":
        return dt.UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # ValueError: what is no name at all, such as a path
        logger.error("budget.zone_unknown", zone=name)
        return dt.UTC
