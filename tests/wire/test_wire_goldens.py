"""One readable file for each type on the wire. A change of the contract shows here as a diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import jsonschema
import msgspec
import pytest

from core.asyncapi import document
from core.events import Event, MessageDelta
from core.wire.close_codes import comes_back
from core.wire.codec import encode, frame_type
from core.wire.frames import ClientFrame, Signal

ROOT = Path(__file__).parents[1] / "golden"
PROTOCOL: dict[str, Any] = json.loads((ROOT / "protocol.json").read_text())
UNIONS: dict[str, Any] = {"client": ClientFrame, "server": Signal, "events": Event}
TYPES = {folder: {kind.__struct_config__.tag: kind for kind in get_args(union)} for folder, union in UNIONS.items()}
EXAMPLES = [
    pytest.param(path.parent.name, example, id=f"{path.parent.name}-{path.stem}-{name}")
    for path in sorted(ROOT.glob("*/*.json"))
    for name, example in json.loads(path.read_text()).items()
]
KINDS = [pytest.param(folder, name, id=f"{folder}-{name}") for folder, kinds in TYPES.items() for name in kinds]
DOCUMENT = document()


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("folder", UNIONS)
def test_the_types_are_those_of_the_protocol_and_each_has_a_golden_file(folder: str) -> None:
    assert set(TYPES[folder]) == set(PROTOCOL[folder])
    assert {path.stem for path in (ROOT / folder).glob("*.json")} == set(PROTOCOL[folder])


@pytest.mark.parametrize(("folder", "name"), KINDS)
def test_a_types_fields_are_those_of_the_protocol(folder: str, name: str) -> None:
    listed = set(PROTOCOL[folder][name].split())
    common = {"client": set(), "server": set(), "events": {"session_id", "seq?", "ts"}}[folder]
    without_ts = {"ts"} if TYPES[folder][name] is MessageDelta else set()
    fields = msgspec.structs.fields(TYPES[folder][name])
    found = {field.encode_name + ("" if field.required else "?") for field in fields}
    assert _plain(found) == _plain(listed | common - without_ts)
    assert found - {"from_cache?"} <= listed | common


def _plain(names: set[str]) -> set[str]:
    return {name.removesuffix("?") for name in names}


@pytest.mark.parametrize(("folder", "example"), EXAMPLES)
def test_an_example_is_read_and_written_again_byte_by_byte(folder: str, example: dict[str, Any]) -> None:
    frame = msgspec.json.decode(compact(example), type=UNIONS[folder])
    assert frame_type(frame) == example["type"]
    assert encode(frame).decode() == compact(example)


@pytest.mark.parametrize(("folder", "example"), EXAMPLES)
def test_an_example_is_valid_by_the_published_schema(folder: str, example: dict[str, Any]) -> None:
    name = TYPES[folder][example["type"]].__name__
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(example)


@pytest.mark.parametrize(("folder", "name"), KINDS)
def test_the_published_document_has_each_type_in_its_direction(folder: str, name: str) -> None:
    kind = TYPES[folder][name].__name__
    operation = {"client": "sendToServer", "server": "receiveFromServer", "events": "receiveFromServer"}[folder]
    assert DOCUMENT["components"]["messages"][kind]["name"] == name
    assert {"$ref": f"#/channels/ws/messages/{kind}"} in DOCUMENT["operations"][operation]["messages"]


def test_a_wrong_example_is_not_valid_by_the_published_schema() -> None:
    schema = {"$ref": "#/components/schemas/MessageSend", "components": DOCUMENT["components"]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({"type": "message.send", "session_id": "s", "content": "x"})


def test_the_document_in_docs_is_the_generated_one() -> None:
    published = Path(__file__).parents[2] / "docs" / "asyncapi.json"
    assert json.loads(published.read_text()) == DOCUMENT


@pytest.mark.parametrize("code", PROTOCOL["close_codes_come_back"])
def test_a_client_comes_back_after(code: int) -> None:
    assert comes_back(code)


@pytest.mark.parametrize("code", PROTOCOL["close_codes_stay_away"])
def test_a_client_stays_away_after(code: int) -> None:
    assert not comes_back(code)


@pytest.mark.parametrize(("code", "back"), [(1006, True), (1001, True), (1000, False), (1009, False), (3000, True)])
def test_codes_that_are_not_ours_are_known_too(code: int, back: bool) -> None:
    assert comes_back(code) is back
