"""All that a split could show: the members of its dimensions, whether or not anything was found for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

from core.errors import ToolError
from tools.builtin.sales.answer import Key
from tools.builtin.sales.catalog import STAGES, TIME_DIMENSIONS, Dimension
from tools.builtin.sales.periods import Period, month_labels
from tools.builtin.sales.query import Plan

_MOST = 5_000
"""Combinations that are listed at most; beyond that the question is too wide to be read."""

Listed = Mapping[tuple[Dimension, ...], Sequence[Key]]
"""Dimensions that one table lists, and the combinations that it lists."""


def combinations(plan: Plan, listed: Listed, span: Period | None) -> list[Key]:
    """Every combination of members, in the order of the plan's `by`. `span`: the time whose months are listed.

    Raises ToolError where there are too many.
    """
    groups: dict[tuple[Dimension, ...], Sequence[Key]] = dict(listed)
    if "stage" in plan.by:
        groups["stage",] = [(stage,) for stage in _kept_stages(plan)]
    times = tuple(dimension for dimension in plan.by if dimension in TIME_DIMENSIONS)
    if times:
        groups[times] = _times(times, span)
    if prod(len(keys) for keys in groups.values()) > _MOST:
        raise ToolError(
            f"empty is not 'hide', and {', '.join(plan.by)} have more than {_MOST} combinations; split by less.",
            code="invalid_request",
        )
    names = [dimension for dimensions in groups for dimension in dimensions]
    places = [names.index(dimension) for dimension in plan.by]
    joined = (tuple(value for key in keys for value in key) for keys in product(*groups.values()))
    return [tuple(key[place] for place in places) for key in joined]


def _kept_stages(plan: Plan) -> list[str]:
    conditions = [item for item in plan.conditions if item.dimension == "stage"]
    return [stage for stage in STAGES if all((stage in item.values) != item.exclude for item in conditions)]


def _times(dimensions: Sequence[Dimension], span: Period | None) -> list[Key]:
    if span is None:
        return []
    labels = [dict(zip(TIME_DIMENSIONS, label, strict=True)) for label in month_labels(span.first, span.last)]
    return list(dict.fromkeys(tuple(label[dimension] for dimension in dimensions) for label in labels))
