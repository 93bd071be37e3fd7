"""What a cache of answers owes (`core.ports.AnswerCache`)."""

from __future__ import annotations

import msgspec

from core.ports import CachedAnswer, CacheScope
from tests.conformance.conftest import Nodes
from tests.conformance.kit import eventually

ANA = CacheScope(tenant="acme", user_id="ana")
RUI = CacheScope(tenant="acme", user_id="rui")
ANSWER = CachedAnswer(text="São 10.", provider="scripted", model="m", cost_microusd=120, turn_id="turn_1")


async def test_an_answer_is_given_again_on_any_node(nodes: Nodes) -> None:
    await nodes.one.answers.put(ANA, "digest", ANSWER, 60)
    assert (await nodes.two.answers.get(ANA, "digest")).answer == ANSWER


async def test_another_question_has_another_answer(nodes: Nodes) -> None:
    await nodes.one.answers.put(ANA, "digest", ANSWER, 60)
    assert (await nodes.one.answers.get(ANA, "other")).answer is None


async def test_no_other_user_gets_it_nor_another_tenants_user_of_the_same_name(nodes: Nodes) -> None:
    await nodes.one.answers.put(ANA, "digest", ANSWER, 60)
    assert (await nodes.one.answers.get(RUI, "digest")).answer is None
    assert (await nodes.one.answers.get(msgspec.structs.replace(ANA, tenant="other"), "digest")).answer is None
    assert (await nodes.one.answers.get(msgspec.structs.replace(ANA, shared=True), "digest")).answer is None


async def test_a_shared_one_is_every_users_of_that_tenant_only(nodes: Nodes) -> None:
    await nodes.one.answers.put(msgspec.structs.replace(ANA, shared=True), "digest", ANSWER, 60)
    assert (await nodes.one.answers.get(msgspec.structs.replace(RUI, shared=True), "digest")).answer == ANSWER
    assert (
        await nodes.one.answers.get(CacheScope(tenant="other", user_id="rui", shared=True), "digest")
    ).answer is None


async def test_it_expires(nodes: Nodes) -> None:
    await nodes.one.answers.put(ANA, "digest", ANSWER, 0.05)
    with nodes.server.client() as client:
        await eventually(lambda: not client.keys("prosa:*:ca:*"))
        await eventually(lambda: not client.keys("prosa:*:cu:*"))
    assert (await nodes.one.answers.get(ANA, "digest")).answer is None


async def test_clearing_forgets_a_tenants_answers_and_no_others(nodes: Nodes) -> None:
    elsewhere = CacheScope(tenant="other", user_id="ana")
    await nodes.one.answers.put(ANA, "digest", ANSWER, 60)
    await nodes.one.answers.put(elsewhere, "digest", ANSWER, 60)
    await nodes.two.answers.clear("acme")
    assert (await nodes.one.answers.get(ANA, "digest")).answer is None
    assert (await nodes.one.answers.get(elsewhere, "digest")).answer == ANSWER
    await nodes.one.answers.put(ANA, "digest", ANSWER, 60)
    assert (await nodes.two.answers.get(ANA, "digest")).answer == ANSWER


async def test_forgetting_a_user_deletes_what_their_questions_left_shared_answers_too(nodes: Nodes) -> None:
    shared = msgspec.structs.replace(ANA, shared=True)
    await nodes.one.answers.put(ANA, "digest", ANSWER, 60)
    await nodes.one.answers.put(shared, "digest", ANSWER, 60)
    await nodes.one.answers.put(RUI, "digest", ANSWER, 60)
    await nodes.two.answers.forget("acme", "ana")
    assert (await nodes.one.answers.get(ANA, "digest")).answer is None
    assert (await nodes.one.answers.get(shared, "digest")).answer is None
    assert (await nodes.one.answers.get(RUI, "digest")).answer == ANSWER


async def test_an_erasure_forgets_them(nodes: Nodes) -> None:
    await nodes.one.answers.put(ANA, "digest", ANSWER, 60)
    await nodes.two.sessions.erase("acme", "ana")
    assert (await nodes.one.answers.get(ANA, "digest")).answer is None
    with nodes.server.client() as client:
        assert client.keys("prosa:*:ca:*") == []


async def test_an_answer_in_a_form_that_nobody_here_reads_is_no_answer(nodes: Nodes) -> None:
    await nodes.one.answers.put(ANA, "digest", ANSWER, 60)
    with nodes.server.client() as client:
        (key,) = client.keys("prosa:*:ca:*")
        client.set(key, b'{"of":"another version"}')
    assert (await nodes.one.answers.get(ANA, "digest")).answer is None
    await nodes.one.answers.put(ANA, "digest", ANSWER, 60)
    assert (await nodes.two.answers.get(ANA, "digest")).answer == ANSWER


async def test_what_was_asked_before_a_clearing_is_not_kept_after_it(nodes: Nodes) -> None:
    before = (await nodes.one.answers.get(ANA, "digest")).generation
    await nodes.two.answers.clear("acme")
    await nodes.one.answers.put(ANA, "digest", ANSWER, 60, before)
    assert (await nodes.one.answers.get(ANA, "digest")).answer is None
    now = (await nodes.one.answers.get(ANA, "digest")).generation
    await nodes.one.answers.put(ANA, "digest", ANSWER, 60, now)
    assert (await nodes.two.answers.get(ANA, "digest")).answer == ANSWER
