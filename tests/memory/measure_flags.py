"""What asking for a flag costs: `python -m tests.memory.measure_flags [times]`. Prints; no test.

One flag has three rules over an attribute that do not hold and one with a percentage; the other nobody has set.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import cast

from core.flag_catalog import flag_catalog
from core.flags import Condition, Flag, FlagSnapshot, Rule
from memory.flags.live import LiveFlags
from memory.flags.open_feature import open_feature_flags

ROUNDS = 9
CONTEXT = {"tenant": "acme", "user_id": "ana", "agent": "sales", "tier": "free", "locale": "pt-BR", "channel": "web"}
PRO = (Condition(attribute="tier", values=("pro",)),)
RULES = (*[Rule(when=PRO, value="a:b")] * 3, Rule(value="a:c", variant="c", percent=50))


class Known:
    """What `LiveFlags` is to the provider, with nothing behind it."""

    def __init__(self) -> None:
        self.snapshot = FlagSnapshot()

    def on_change(self, call: object) -> None:
        """Nothing changes."""

    on_stale = on_change


def best_us(ask: Callable[[], object], times: int) -> float:
    """The quickest of some rounds: what disturbs only adds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            ask()
        rounds.append((time.perf_counter() - began) / times * 1e6)
    return min(rounds)


def main(times: int) -> None:
    known = Known()
    values = {"scope": "acme", "version": 1, "updated_ms": 0, "updated_by": "x"}
    known.snapshot.join([Flag(key="model", value="a:d", rules=RULES, **values)])
    with open_feature_flags(cast(LiveFlags, known), flag_catalog(model=lambda name: None), "measure") as flags:
        asked = {
            "evaluated, without OpenFeature": lambda: known.snapshot.evaluate("model", CONTEXT),
            "by OpenFeature": lambda: flags.text("model", CONTEXT),
            "that nobody has set": lambda: flags.object("policy", CONTEXT),
        }
        for name, ask in asked.items():
            print(f"a flag {name}: {best_us(ask, times):.1f} us")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
