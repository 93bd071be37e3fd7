"""Whether calls are those that an item of the Berkeley Function Calling Leaderboard accepts, by its published rules.

As many calls as expected, in any order; names equal, required parameters there, no parameter or value that is not
accepted; an integer passes for a float, a bool never for a number; texts are compared without ` ,./-_*^`, case and
kind of quote. Of an item without an expected call none may be made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

Call = tuple[str, dict[str, Any]]
"""Name and arguments."""
_TYPES: Final[dict[str, type]] = {
    "string": str,
    "integer": int,
    "float": float,
    "number": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "object": dict,
    "any": str,
}
_DROPPED: Final = re.compile(r"[ ,./\-_*^]")


def accepts(item: Mapping[str, Any], calls: Sequence[Call]) -> bool:
    """Whether an item accepts these calls as its answer."""
    expected = item["ground_truth"]
    if expected is None:
        return not calls
    if len(calls) != len(expected):
        return False
    left = list(calls)
    for truth in expected:
        match = next((call for call in left if _is_call(call, item["function"], truth)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _is_call(call: Call, functions: Sequence[Mapping[str, Any]], truth: Mapping[str, Any]) -> bool:
    name, arguments = call
    ((wanted, accepted),) = truth.items()
    if name != wanted:
        return False
    parameters = next(function for function in functions if function["name"] == wanted)["parameters"]
    properties = parameters["properties"]
    return (
        all(required in arguments for required in parameters.get("required", []))
        and all(key in properties and key in accepted for key in arguments)
        and all(_is_value(value, properties[key], accepted[key]) for key, value in arguments.items())
        and all(key in arguments or "" in values for key, values in accepted.items())
    )


def _is_value(value: Any, schema: Mapping[str, Any], accepted: Sequence[Any]) -> bool:
    kind = _TYPES.get(schema.get("type", "string"), str)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    known = [type(one) for one in accepted if one != ""]
    if type(value) is not kind and not (known and type(value) is known[0]):
        return False
    if isinstance(value, dict):
        return any(_is_object(value, one) for one in accepted)
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return any(_are_objects(value, one) for one in accepted)
    return any(_same(value, one) for one in accepted)


def _are_objects(value: Sequence[Any], accepted: Any) -> bool:
    if not isinstance(accepted, list) or len(accepted) != len(value):
        return False
    return all(_is_object(one, other) for one, other in zip(value, accepted, strict=True))


def _is_object(value: Mapping[str, Any], accepted: Any) -> bool:
    """`accepted` has a list of accepted values for each key; a few items have the value itself."""
    if not isinstance(accepted, dict):
        return False
    lists = {key: values if isinstance(values, list) else [values] for key, values in accepted.items()}
    known = all(key in lists and any(_is_inner(one, other) for other in lists[key]) for key, one in value.items())
    return known and all(key in value or "" in values for key, values in lists.items())


def _is_inner(value: Any, accepted: Any) -> bool:
    if isinstance(value, dict) and isinstance(accepted, dict):
        return _is_object(value, accepted)
    return _same(value, accepted)


def _same(value: Any, accepted: Any) -> bool:
    return isinstance(value, bool) == isinstance(accepted, bool) and bool(_plain(value) == _plain(accepted))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _DROPPED.sub("", value).lower().replace("'", '"')
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
