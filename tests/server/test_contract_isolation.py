"""Another tenant's or user's id is like one that does not exist: through every field that takes an id."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from agent.providers.scripted import Say
from tests.server.conftest import RunningNode
from tests.server.wire_client import Frame, WireClient

pytestmark = pytest.mark.asyncio(loop_scope="session")
ACME = "acme-secret-0123456789"
GLOBEX = "globex-secret-0123456789"
UNKNOWN = {"turn_id": "turn_" + "0" * 26, "message_id": "msg_" + "0" * 26, "session_id": "ses_" + "0" * 26}


@dataclass(frozen=True, kw_only=True)
class Told:
    """A conversation: its ids, the client that had it, and who it was with."""

    session_id: str
    turn_id: str
    message_id: str
    user: str
    client: WireClient

    @property
    def ids(self) -> dict[str, str]:
        """Its ids, by the field that takes them."""
        return {"turn_id": self.turn_id, "message_id": self.message_id, "session_id": self.session_id}


async def tell(node: RunningNode, client: WireClient, user: str) -> Told:
    """Have a conversation of one turn."""
    node.provider.plan(user, [Say("segredo")], [Say("mais")])
    opened = await client.open(user)
    ok = await client.ask("message.send", session_id=opened["session_id"], content=f"{user}: oi")
    end = await client.until_turn_ends(ok["turn_id"])
    await node.recorded(opened["session_id"], turns=1)
    return Told(
        session_id=opened["session_id"],
        turn_id=ok["turn_id"],
        message_id=end["message_id"],
        user=user,
        client=client,
    )


@pytest_asyncio.fixture(loop_scope="session")
async def mine(keyed_node: RunningNode, user: str) -> AsyncIterator[Told]:
    """A user of acme."""
    async with keyed_node.connect(key=ACME) as client:
        yield await tell(keyed_node, client, f"{user}-mine")


@pytest_asyncio.fixture(loop_scope="session", params=["another_user", "another_tenant"])
async def theirs(keyed_node: RunningNode, user: str, request: pytest.FixtureRequest) -> AsyncIterator[Told]:
    """Another user of acme, or one of globex of the same name."""
    key, name = {"another_user": (ACME, f"{user}-theirs"), "another_tenant": (GLOBEX, f"{user}-mine")}[request.param]
    async with keyed_node.connect(key=key) as client:
        yield await tell(keyed_node, client, name)


def said(answer: Frame) -> dict[str, Any]:
    """An answer without its cid."""
    return {name: value for name, value in answer.items() if name != "re"}


@pytest.mark.parametrize(
    ("kind", "field", "fields"),
    [
        pytest.param("turn.cancel", "turn_id", {}, id="cancel"),
        pytest.param("turn.retry", "turn_id", {}, id="retry"),
        pytest.param("feedback.create", "message_id", {"score": 1}, id="feedback"),
        pytest.param("history.get", "message_id", {}, id="history"),
    ],
)
async def test_a_foreign_id_in_a_command_of_ones_own_session_does_not_exist(
    mine: Told, theirs: Told, kind: str, field: str, fields: dict[str, Any]
) -> None:
    name = "before" if kind == "history.get" else field
    foreign = await mine.client.ask(kind, session_id=mine.session_id, **{name: theirs.ids[field]}, **fields)
    unknown = await mine.client.ask(kind, session_id=mine.session_id, **{name: UNKNOWN[field]}, **fields)
    own = await mine.client.ask(kind, session_id=mine.session_id, **{name: mine.ids[field]}, **fields)
    assert said(foreign)["code"] == "not_found"
    assert blanked(foreign, theirs) == blanked(unknown, theirs)
    assert own["type"] in ("ok", "history")


def blanked(answer: Frame, theirs: Told) -> str:
    """An answer as text, with the ids that were asked for taken out."""
    text = str(said(answer))
    for known in (*theirs.ids.values(), *UNKNOWN.values()):
        text = text.replace(known, "<id>")
    return text


@pytest.mark.parametrize("kind", ["message.send", "turn.cancel", "turn.retry", "feedback.create", "history.get"])
async def test_a_foreign_session_takes_no_command(mine: Told, theirs: Told, kind: str) -> None:
    fields = {"content": "oi", "turn_id": theirs.turn_id, "message_id": theirs.message_id, "score": 1}
    foreign = await mine.client.ask(kind, session_id=theirs.session_id, **fields)
    unknown = await mine.client.ask(kind, session_id=UNKNOWN["session_id"], **fields)
    assert foreign["code"] == "not_found"
    assert said(foreign) == said(unknown)


async def test_a_foreign_session_cannot_be_opened_as_oneself(mine: Told, theirs: Told) -> None:
    foreign = await mine.client.ask("session.open", session_id=theirs.session_id, user_id=mine.user)
    unknown = await mine.client.ask("session.open", session_id=UNKNOWN["session_id"], user_id=mine.user)
    assert said(foreign) == said(unknown)
    assert foreign["code"] == "not_found"


async def test_the_same_name_is_another_session_for_each(mine: Told, theirs: Told) -> None:
    ours = await mine.client.open(mine.user, session_id="support")
    others = await theirs.client.open(theirs.user, session_id="support")
    again = await mine.client.open(mine.user, session_id="support")
    assert ours["session_id"] != others["session_id"]
    assert again["session_id"] == ours["session_id"]


async def test_typing_in_a_foreign_session_reaches_nobody(mine: Told, theirs: Told) -> None:
    await mine.client.say("typing", cid=None, session_id=theirs.session_id, on=True)
    await mine.client.say("ping", cid=None)
    await mine.client.until_type("pong")
    await theirs.client.say("typing", cid=None, session_id=theirs.session_id, on=False)
    await theirs.client.until_type("typing")
    assert [frame["on"] for frame in theirs.client.frames if frame["type"] == "typing"] == [False]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/api/v1/turns/{turn_id}", id="turn"),
        pytest.param("GET", "/api/v1/turns/{turn_id}?wait_s=1", id="turn_waited_for"),
        pytest.param("GET", "/api/v1/sessions/{session_id}/messages", id="messages"),
        pytest.param("GET", "/api/v1/sessions/{session_id}/events", id="events"),
        pytest.param("POST", "/api/v1/sessions/{session_id}/commands", id="commands"),
    ],
)
async def test_another_tenants_address_is_like_none(
    keyed_node: RunningNode, mine: Told, method: str, path: str
) -> None:
    body = {"type": "history.get", "cid": "c", "session_id": mine.session_id}
    async with keyed_node.http(GLOBEX) as globex:
        foreign = await globex.request(method, path.format(**mine.ids), json=body)
        unknown = await globex.request(method, path.format(**UNKNOWN), json=body)
    assert foreign.status_code == 404
    assert foreign.text == unknown.text


async def test_a_foreign_message_id_pages_nobodys_history(keyed_node: RunningNode, mine: Told, theirs: Told) -> None:
    async with keyed_node.http(ACME) as http:
        address = f"/api/v1/sessions/{mine.session_id}/messages"
        foreign = await http.get(address, params={"before": theirs.message_id})
        own = await http.get(address, params={"before": mine.message_id})
    assert (foreign.status_code, foreign.json()["error"]["code"]) == (404, "not_found")
    assert [message["content"] for message in own.json()["messages"]] == [f"{mine.user}: oi"]
