"""Whether a turn costs the same however long its conversation is: CPU, Redis memory, rows and bytes of SQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec

from bench.appending import PREFIX
from bench.load import Load
from bench.loading import measure, sample_of
from bench.measures import Place, Sample
from bench.valkey import Valkey


class LengthRun(msgspec.Struct, frozen=True, kw_only=True):
    """`turns` turns in conversations of each length, one conversation after the other; figures are for the default."""

    turns: int
    lengths: tuple[int, int, int] = (10, 100, 300)

    def __call__(self, place: Place, system: str, name: str) -> Sample:
        """Run it on a node of its own."""
        with ExitStack() as stack:
            node = place.starters[system].start(stack, place.upstream, place.cores, place.own_folder(name))
            assert node.redis is not None
            assert node.folder is not None
            warm_up = Load(conversations=10, tokens=20, turns=5)
            problems = [*measure(node, warm_up, f"{name}w", place.cores).result.problems]
            books = node.folder / "prosa.db"
            _recorded(node.redis)
            rows, size = _rows(books), _bytes(books)
            values: dict[str, float | None] = {}
            for length in self.lengths:
                known = set(_sessions(node.redis))
                load = Load(conversations=self.turns // length, turns=length, tokens=20, ttft_ms=2, in_turn=True)
                sample = sample_of(measure(node, load, f"{name}l{length}", place.cores))
                problems += sample.problems
                values[f"cpu_us_{length}_turns"] = sample.values["cpu_us_per_turn"]
                held = [_held_bytes(node.redis, session) for session in set(_sessions(node.redis)) - known]
                values[f"redis_kb_{length}_turns"] = sum(held) / len(held) / 1000
            turns = self.turns * len(self.lengths)
            _recorded(node.redis)
            values["sql_rows_per_turn"] = (_rows(books) - rows) / turns
            values["sql_bytes_per_turn"] = (_bytes(books) - size) / turns
        short, middle, long = (values[f"cpu_us_{length}_turns"] for length in self.lengths)
        values["growth_length"] = _ratio(long, short)
        values["growth_window"] = _ratio(long, middle)
        return Sample(values=values, problems=tuple(problems))


def _ratio(value: float | None, by: float | None) -> float | None:
    return value / by if value and by else None


def _recorded(valkey: Valkey) -> None:
    """Return when all that ended is in SQL: the recorder gathers for a second. Raises TimeoutError after 30 s."""
    until_s = time.monotonic() + 30.0
    while valkey.client.xlen(f"{PREFIX}outbox"):
        if time.monotonic() > until_s:
            raise TimeoutError("the recorder does not take the outbox to SQL")
        time.sleep(0.05)


def _sessions(valkey: Valkey) -> Iterator[str]:
    start = f"{PREFIX}s:"
    for key in valkey.client.scan_iter(match=f"{PREFIX}s:*", count=1000):
        yield key.decode().removeprefix(start)


def _held_bytes(valkey: Valkey, session: str) -> int:
    """Give what a session's own keys hold; those of its turns (a day's journals) are each turn's, not its."""
    keys = valkey.client.scan_iter(match=f"{PREFIX}*:{session}", count=1000)
    return sum(valkey.client.memory_usage(key) or 0 for key in keys)


def _rows(books: Path) -> int:
    with closing(sqlite3.connect(f"file:{books}?mode=ro", uri=True)) as database:
        names = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        return sum(database.execute(f'select count(*) from "{name}"').fetchone()[0] for name in names)  # noqa: S608


def _bytes(books: Path) -> int:
    """Give the size of the pages in use, those in the write-ahead log counted."""
    with closing(sqlite3.connect(f"file:{books}?mode=ro", uri=True)) as database:
        pages, free, size = (
            database.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)
