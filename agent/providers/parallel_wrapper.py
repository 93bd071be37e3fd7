"""OpenAI's models now and then call a tool that nobody offered: a wrapper that holds several calls.

It is named `parallel` or `multi_tool_use.parallel` and its arguments are
`{"tool_uses": [{"recipient_name": "functions.<name>", "parameters": {...}}, ...]}` (vercel/ai #19067).
"""

from __future__ import annotations

import json
from typing import Final

import msgspec

from agent.providers.tool_names import ToolNames
from core.messages import ToolCall

_NAMES: Final = frozenset({"parallel", "multi_tool_use.parallel", "multi_tool_use_parallel"})
_PREFIX: Final = "functions."


class _Use(msgspec.Struct):
    recipient_name: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class _Wrapper(msgspec.Struct):
    tool_uses: list[_Use]


def unrolled(call: ToolCall, names: ToolNames) -> tuple[ToolCall, ...]:
    """The calls in the wrapper, under our names; the call alone where it is none, or a tool of ours has its name.

    `call` has the vendor's name. The ids of a wrapper's calls are its own and their place.
    """
    if call.name not in _NAMES or names.offers(call.name):
        return (msgspec.structs.replace(call, name=names.own(call.name)),)
    try:
        uses = msgspec.json.decode(call.arguments, type=_Wrapper).tool_uses
    except (msgspec.DecodeError, UnicodeEncodeError):
        return (call,)
    return tuple(
        ToolCall(
            call_id=f"{call.call_id}_{place}" if call.call_id else "",
            name=names.own(use.recipient_name.removeprefix(_PREFIX)),
            arguments=json.dumps(msgspec.json.decode(use.parameters), ensure_ascii=False),
        )
        for place, use in enumerate(uses)
    ) or (call,)
