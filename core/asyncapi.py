"""The wire contract as an AsyncAPI 3.0 document, made from the types. `python -m core.asyncapi` prints it.

`docs/asyncapi.json` is this document; a test holds the two together.
"""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

from core.events import Event
from core.wire.close_codes import CloseCode, comes_back
from core.wire.frames import ClientFrame, Signal

_COMPONENT: Final = "#/components/schemas/{name}"
_SEND: Final = "sendToServer"
_RECEIVE: Final = "receiveFromServer"
_CLIENT: Final = get_args(ClientFrame)
_SIGNALS: Final = get_args(Signal)
_EVENTS: Final = get_args(Event)


def document() -> dict[str, Any]:
    """The whole document, in JSON's types; the same for every call."""
    kinds = dict.fromkeys((*_CLIENT, *_SIGNALS, *_EVENTS))
    _, schemas = msgspec.json.schema_components(list(kinds), ref_template=_COMPONENT)
    for kind in _EVENTS:
        _require_seq(schemas[kind.__name__])
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Prosa wire protocol",
            "version": "1.0.0",
            "description": (
                "Text frames of JSON. A client frame is one object; a server frame is one object, or an array of "
                "objects to be handled in order. Types and fields that are not known are ignored. " + _closes()
            ),
        },
        "defaultContentType": "application/json",
        "channels": {
            "ws": {
                "address": "/ws",
                "description": "A WebSocket with the subprotocol prosa.v1.",
                "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in kinds},
            }
        },
        "operations": {
            _SEND: _operation("receive", "What a client may send.", _CLIENT),
            _RECEIVE: _operation("send", "What the server sends: signals, and the events of logs.", _SIGNALS + _EVENTS),
        },
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in kinds},
            "schemas": schemas,
        },
    }


def _message(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "name": str(kind.__struct_config__.tag),
        "title": kind.__name__,
        "summary": (kind.__doc__ or "").split("\n", 1)[0],
        "payload": {"$ref": _COMPONENT.format(name=kind.__name__)},
    }


def _operation(action: str, summary: str, kinds: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/ws"},
        "messages": [{"$ref": f"#/channels/ws/messages/{kind.__name__}"} for kind in kinds],
    }


def _require_seq(schema: dict[str, Any]) -> None:
    """Events have their number on the wire; only before they are appended have they none."""
    schema["required"] = sorted({*schema["required"], "seq"})


def _closes() -> str:
    back = ", ".join(str(int(code)) for code in CloseCode if comes_back(code))
    away = ", ".join(str(int(code)) for code in CloseCode if not comes_back(code))
    return f"Close codes after which a client comes back: {back}; after which it does not: {away}."


if __name__ == "__main__":
    print(msgspec.json.format(msgspec.json.encode(document()), indent=2).decode())  # noqa: T201
