"""Approvals as an independent client sees them: a turn is parked, answered from anywhere, and goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from agent.providers.scripted import Call, Say
from tests.server.conftest import KEYS, PlannedProvider, RunningNode, running_node
from tests.server.wire_client import Frame, WireClient
from tests.servers import valkey_server

pytestmark = pytest.mark.asyncio(loop_scope="session")
ACME = "acme-secret-0123456789"
GLOBEX = "globex-secret-0123456789"
AGENT = """
name: sales
title: Vendas
instructions: { id: sales, version: 1 }
tools: [sales_find, sales_query]
reveal: full
approvals: { sales_find: %s }
approval_timeout_s: %s
"""
FIND = [Say("Vou procurar."), Call("sales_find", {"text": "GTX Pro"})]


@pytest.fixture(scope="module")
def own_redis() -> Iterator[str]:
    """A Valkey of these tests' own: nodes without such agents must not run their turns."""
    with valkey_server() as server:
        yield server.url


async def approving(own_redis: str, folder: Path, approver: str, timeout_s: float = 3600) -> AsyncIterator[RunningNode]:
    agents = folder / "agents"
    agents.mkdir()
    (agents / "sales.yaml").write_text(AGENT % (approver, timeout_s), encoding="utf-8")
    options = {"redis_url": own_redis, "data_dir": folder / "data", "agents_dir": agents, "bootstrap_api_keys": KEYS}
    async with running_node(PlannedProvider(), **options) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def node(own_redis: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNode]:
    """A node whose agent asks the user before it looks a name up."""
    async for running in approving(own_redis, tmp_path_factory.mktemp("approving"), "user"):
        yield running


async def parked(client: WireClient, node: RunningNode, user: str, *, after: str = "Achei.") -> tuple[str, Frame]:
    """Ask for what needs an approval; gives the session and `approval.requested`."""
    node.provider.plan(user, FIND, [Say(after)])
    session_id = (await client.open(user))["session_id"]
    await client.ask("message.send", session_id=session_id, content=f"{user}: procure")
    requested = await client.until_type("approval.requested")
    await client.until_type("turn.waiting")
    return session_id, requested


async def respond(client: WireClient, session_id: str, requested: Frame, **fields: object) -> Frame:
    fields = {"approved": True, "session_id": session_id, "approval_id": requested["approval_id"], **fields}
    return await client.ask("approval.respond", **fields)


async def answered_again(client: WireClient, session_id: str, requested: Frame, **fields: object) -> Frame:
    """Repeat a cid and wait for this answer to it."""
    start = len(client.frames)
    await client.say("approval.respond", session_id=session_id, approval_id=requested["approval_id"], **fields)
    return await client.until(lambda frame: frame.get("re") == fields["cid"], start)


async def test_an_approved_call_runs_and_the_turn_goes_on(node: RunningNode, user: str) -> None:
    async with node.connect(key=ACME) as client:
        session_id, requested = await parked(client, node, user)
        ok = await respond(client, session_id, requested)
        ended = await client.until_turn_ends(requested["turn_id"])
    kinds = [event["type"] for event in client.events(session_id)]
    assert ok["state"] == "approved"
    assert (ended["type"], ended["tools"]) == ("turn.completed", ["sales_find"])
    assert requested["arguments"] == {"text": "GTX Pro"}
    assert [kind for kind in kinds if kind.startswith(("approval", "tool", "turn.w", "turn.r", "turn.s"))] == [
        "turn.started",
        "approval.requested",
        "turn.waiting",
        "approval.resolved",
        "turn.resumed",
        "tool.started",
        "tool.completed",
    ]
    assert client.text(ended["message_id"]) == "Vou procurar.\n\nAchei."


async def test_a_declined_call_does_not_run_and_the_model_says_so(node: RunningNode, user: str) -> None:
    async with node.connect(key=ACME) as client:
        session_id, requested = await parked(client, node, user, after="Então não.")
        ok = await respond(client, session_id, requested, approved=False, reason="não precisa")
        ended = await client.until_turn_ends(requested["turn_id"])
    assert ok["state"] == "declined"
    assert ended["type"] == "turn.completed"
    assert client.text(ended["message_id"]).endswith("Então não.")
    assert "tool.completed" not in [event["type"] for event in client.events(session_id)]


async def test_edited_arguments_take_the_place_of_the_models(node: RunningNode, user: str) -> None:
    async with node.connect(key=ACME) as client:
        session_id, requested = await parked(client, node, user)
        await respond(client, session_id, requested, arguments={"text": "MG Special"})
        await client.until_turn_ends(requested["turn_id"])
        completed = await client.until_type("tool.completed")
    assert "MG Special" in str(completed["result"])


async def test_edited_arguments_that_are_wrong_are_refused_and_the_turn_still_waits(
    node: RunningNode, user: str
) -> None:
    async with node.connect(key=ACME) as client:
        session_id, requested = await parked(client, node, user)
        refused = await respond(client, session_id, requested, arguments={"txt": 1}, cid="edit")
        again = await answered_again(client, session_id, requested, approved=True, arguments={"txt": 1}, cid="edit")
        ok = await respond(client, session_id, requested)
        ended = await client.until_turn_ends(requested["turn_id"])
    assert refused["code"] == "invalid_request"
    assert not refused["retryable"]
    assert again["duplicate"]
    assert again["code"] == refused["code"]
    assert ok["state"] == "approved"
    assert ended["type"] == "turn.completed"


async def test_arguments_that_are_nested_without_end_are_refused(node: RunningNode, user: str) -> None:
    """They gave `internal`, retryable, as if it had been our fault."""
    deep = json.loads('{"text":' * 500 + "1" + "}" * 500)
    async with node.connect(key=ACME) as client:
        session_id, requested = await parked(client, node, user)
        refused = await respond(client, session_id, requested, arguments=deep)
    assert (refused["code"], refused["retryable"]) == ("invalid_request", False)


async def test_the_first_answer_wins_and_later_ones_get_its_state(node: RunningNode, user: str) -> None:
    async with node.connect(key=ACME) as one, node.connect(key=ACME) as two:
        session_id, requested = await parked(one, node, user)
        await two.open(user)
        first = await respond(one, session_id, requested, cid="first")
        late = await respond(two, session_id, requested, approved=False, cid="late")
        again = await answered_again(one, session_id, requested, approved=True, cid="first")
        other = await answered_again(one, session_id, requested, approved=False, cid="first")
    assert first == {"type": "ok", "re": "first", "state": "approved"}
    assert late == {"type": "ok", "re": "late", "state": "approved"}
    assert again == {**first, "duplicate": True}
    assert other["code"] == "idempotency_conflict"


@pytest.mark.parametrize("key", [ACME, GLOBEX])
async def test_an_approval_of_another_session_is_not_found(node: RunningNode, user: str, key: str) -> None:
    async with node.connect(key=ACME) as client, node.connect(key=key) as stranger:
        _, requested = await parked(client, node, user)
        opened = await stranger.open(f"{user}-2")
        refused = await respond(stranger, opened["session_id"], requested)
    assert refused["code"] == "not_found"


async def test_a_message_declines_what_the_user_was_asked(node: RunningNode, user: str) -> None:
    async with node.connect(key=ACME) as client:
        session_id, requested = await parked(client, node, user)
        node.provider.plan("depois", [Say("Pois não.")])
        ok = await client.ask("message.send", session_id=session_id, content="depois: outra coisa")
        resolved = await client.until_type("approval.resolved")
        await client.until_turn_ends(ok["turn_id"])
        late = await respond(client, session_id, requested)
    assert (resolved["approved"], resolved["by"]) == (False, "superseded")
    assert late["state"] == "superseded"


async def test_a_parked_turn_is_cancelled_at_once(node: RunningNode, user: str) -> None:
    async with node.connect(key=ACME) as client:
        session_id, requested = await parked(client, node, user)
        ok = await client.ask("turn.cancel", session_id=session_id, turn_id=requested["turn_id"])
        ended = await client.until_turn_ends(requested["turn_id"])
        late = await respond(client, session_id, requested)
    assert ok["state"] == "cancelled"
    assert ended["type"] == "turn.cancelled"
    assert late["state"] == "cancelled"


async def test_chat_answers_202_at_an_approval_and_the_turn_is_waited_for_beyond_it(
    node: RunningNode, user: str
) -> None:
    node.provider.plan(user, FIND, [Say("Achei.")])
    async with node.http(ACME) as http:
        body = {"user_id": user, "message": f"{user}: procure"}
        pending = await http.post("/chat", json=body, headers={"Idempotency-Key": user})
        turn_id, session_id = pending.json()["turn_id"], pending.json()["session_id"]
        now = await http.get(f"/api/v1/turns/{turn_id}")
        waiting = asyncio.create_task(http.get(f"/api/v1/turns/{turn_id}", params={"wait_s": 20}))
        view = (await http.get(f"/api/v1/turns/{turn_id}/journal")).json()
        [asked] = [entry for entry in view["journal"]["entries"] if entry["kind"] == "approval_asked"]
        command = {
            "type": "approval.respond",
            "cid": "a",
            "session_id": session_id,
            "approval_id": asked["approval_id"],
            "approved": True,
        }
        answered = await http.post(f"/api/v1/sessions/{session_id}/commands", json=command)
        repeated = await http.post(f"/api/v1/sessions/{session_id}/commands", json=command)
        result = await waiting
        joined = await http.post("/chat", json=body, headers={"Idempotency-Key": user})
    assert (pending.status_code, pending.json()["state"]) == (202, "parked")
    assert (now.status_code, now.json()["state"]) == (202, "parked")
    assert answered.json() == {"type": "ok", "re": "a", "state": "approved"}
    assert repeated.json() == {"type": "ok", "re": "a", "state": "approved", "duplicate": True}
    assert (result.status_code, result.json()["response"]) == (200, "Vou procurar.\n\nAchei.")
    assert joined.json()["turn_id"] == turn_id


async def test_the_journal_of_a_turn_replays_to_the_same(node: RunningNode, user: str) -> None:
    async with node.connect(key=ACME) as client, node.http(ACME) as http, node.http(GLOBEX) as other:
        session_id, requested = await parked(client, node, user)
        await respond(client, session_id, requested)
        await client.until_turn_ends(requested["turn_id"])
        found = await http.get(f"/api/v1/turns/{requested['turn_id']}/journal")
        foreign = await other.get(f"/api/v1/turns/{requested['turn_id']}/journal")
        unknown = await http.get("/api/v1/turns/turn_none/journal")
    journal = found.json()
    assert (journal["turn_id"], journal["state"]) == (requested["turn_id"], "completed")
    assert (journal["replay"]["same"], journal["replay"]["difference"]) == (True, None)
    assert journal["replay"]["text"] == "Vou procurar.\n\nAchei."
    assert [entry["kind"] for entry in journal["journal"]["entries"]] == [
        "model_called",
        "approval_asked",
        "approval_answered",
        "tool_returned",
        "model_called",
    ]
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json() == unknown.json()


async def test_an_operators_approval_is_answered_by_a_service(tmp_path: Path, user: str) -> None:
    with valkey_server() as server:
        async for node in approving(server.url, tmp_path, "operator"):
            async with node.connect(key=ACME) as client:
                session_id, requested = await parked(client, node, user)
                ok = await respond(client, session_id, requested)
                resolved = await client.until_type("approval.resolved")
    assert requested["approver"] == "operator"
    assert ok["state"] == "approved"
    assert resolved["by"] == "operator"


async def test_an_approval_that_nobody_answers_expires_and_the_turn_goes_on(tmp_path: Path, user: str) -> None:
    with valkey_server() as server:
        async for node in approving(server.url, tmp_path, "user", timeout_s=1):
            async with node.connect(key=ACME) as client:
                session_id, requested = await parked(client, node, user, after="Ninguém respondeu.")
                resolved = await client.until_type("approval.resolved")
                ended = await client.until_turn_ends(requested["turn_id"])
                late = await respond(client, session_id, requested)
    assert (resolved["approved"], resolved["by"]) == (False, "timeout")
    assert ended["type"] == "turn.completed"
    assert late["state"] == "expired"
