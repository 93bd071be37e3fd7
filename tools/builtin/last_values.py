"""The last known value of each market series, kept in a small JSON file so that a restart still has it."""

from __future__ import annotations

import asyncio
import os
from datetime import date
from pathlib import Path
from typing import Protocol

import msgspec
from loguru import logger


class KnownValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value and the day that it is of."""

    value: float
    day: date


class LastValues(Protocol):
    """Where last known values are kept."""

    async def load(self) -> dict[str, KnownValue]:
        """All values by series; empty where there are none or they cannot be read."""
        ...

    async def save(self, values: dict[str, KnownValue]) -> None:
        """Keep all values. Failing to is logged, never raised: the answer is there all the same."""
        ...


class LastValuesFile:
    """A file that is replaced whole, so that a crash leaves the old one or the new one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> dict[str, KnownValue]:
        """Read the file."""
        return await asyncio.to_thread(self._load)

    async def save(self, values: dict[str, KnownValue]) -> None:
        """Replace the file."""
        await asyncio.to_thread(self._save, values)

    def _load(self) -> dict[str, KnownValue]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, KnownValue])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            logger.warning("market.last_values_unreadable", path=str(self._path), reason=type(error).__name__)
            return {}

    def _save(self, values: dict[str, KnownValue]) -> None:
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(msgspec.json.encode(values))
            temporary.replace(self._path)
        except OSError as error:
            logger.warning("market.last_values_not_saved", path=str(self._path), reason=type(error).__name__)
