"""Arguments of a call that come leaf by leaf (`partialArgs`), each under its JSON path, such as `$.items[0].name`."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Final

import msgspec

_STEP: Final = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
_ESCAPED: Final = re.compile(r"\\(.)")


class PartialArg(msgspec.Struct, rename="camel", gc=False):
    """One leaf, or a piece of one: pieces of a text follow one another while `will_continue`."""

    json_path: str = ""
    string_value: str | None = None
    number_value: int | float | None = None
    bool_value: bool | None = None
    null_value: Any = msgspec.UNSET
    will_continue: bool | None = None

    def value(self) -> Any:
        """The leaf's value; UNSET where it has none."""
        for value in (self.string_value, self.number_value, self.bool_value):
            if value is not None:
                return value
        return None if self.null_value is not msgspec.UNSET else msgspec.UNSET


class PartialArguments:
    """Puts leaves together. Raises ValueError for a path that does not fit what came before."""

    def __init__(self) -> None:
        self.value: dict[str, Any] = {}
        self._growing: str | None = None

    def add(self, leaf: PartialArg) -> None:
        """Take a leaf, or a piece that goes on with the text before it. Raises ValueError."""
        value = leaf.value()
        if value is msgspec.UNSET:
            return
        steps = _steps(leaf.json_path)
        holder: Any = self.value
        for step, following in pairwise(steps):
            holder = _entered(holder, step, following)
        grows = self._growing == leaf.json_path and isinstance(value, str)
        _set(holder, steps[-1], value, grows=grows)
        self._growing = leaf.json_path if leaf.will_continue else None


def _steps(path: str) -> list[str | int]:
    """Keys and positions of a path (RFC 9535, only what names one place). Raises ValueError."""
    steps: list[str | int] = []
    at = 1
    while path[:1] == "$" and (found := _STEP.match(path, at)):
        name, position, single, double = found.groups()
        if position is not None:
            steps.append(int(position))
        else:
            quoted = single if single is not None else double
            steps.append(name if quoted is None else _ESCAPED.sub(r"\1", quoted))
        at = found.end()
    if not steps or at != len(path):
        raise ValueError("not a path")
    return steps


def _entered(holder: Any, step: str | int, following: str | int) -> Any:
    """What is at a step, made where it is not there yet."""
    empty: Any = [] if isinstance(following, int) else {}
    if isinstance(holder, dict) and isinstance(step, str):
        return holder.setdefault(step, empty)
    if isinstance(holder, list) and isinstance(step, int) and step <= len(holder):
        if step == len(holder):
            holder.append(empty)
        return holder[step]
    raise ValueError("a path that fits nothing")


def _set(holder: Any, step: str | int, value: Any, *, grows: bool) -> None:
    if isinstance(holder, list) and step == len(holder):
        holder.append(value)
    elif _holds(holder, step):
        holder[step] = holder[step] + value if grows else value
    else:
        raise ValueError("a path that fits nothing")


def _holds(holder: Any, step: str | int) -> bool:
    """Whether a value can be put there: under any key of an object, over what a list holds."""
    if isinstance(step, str):
        return isinstance(holder, dict)
    return isinstance(holder, list) and step < len(holder)
