"""What a cache of answers owes (`core.ports.AnswerCache`), and of near questions and vectors beside it."""

from __future__ import annotations

import msgspec

from core.ports import CachedAnswer, CacheScope, NearQuestion
from memory.cache.near_questions import BUCKET
from tests.conformance.conftest import Nodes
from tests.conformance.kit import eventually

ANA = CacheScope(tenant="acme", user_id="ana")
RUI = CacheScope(tenant="acme", user_id="rui")
KINDS = ("ca", "cn", "cz", "ce", "cu")
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


# ---------------------------------------------------------------- questions in other words

QUESTION = NearQuestion(vector=b"\x00\x01\xff\x80", digest="digest")


async def test_a_kept_question_is_found_on_any_node_in_its_bucket_only(nodes: Nodes) -> None:
    await nodes.one.near_questions.keep_near(ANA, "bucket", QUESTION, 60)
    assert await nodes.two.near_questions.near(ANA, "bucket") == [QUESTION]
    assert await nodes.two.near_questions.near(ANA, "other") == []


async def test_no_other_user_or_tenant_finds_it_but_a_shared_one_is_the_tenants(nodes: Nodes) -> None:
    near, shared = nodes.one.near_questions, msgspec.structs.replace(ANA, shared=True)
    await near.keep_near(ANA, "bucket", QUESTION, 60)
    elsewhere = [RUI, shared, msgspec.structs.replace(ANA, tenant="other")]
    assert [await near.near(scope, "bucket") for scope in elsewhere] == [[], [], []]
    await near.keep_near(shared, "bucket", QUESTION, 60)
    assert await near.near(msgspec.structs.replace(RUI, shared=True), "bucket") == [QUESTION]
    assert await near.near(CacheScope(tenant="other", user_id="rui", shared=True), "bucket") == []


async def test_a_bucket_holds_the_newest_only(nodes: Nodes) -> None:
    near = nodes.one.near_questions
    for number in range(BUCKET + 3):
        await near.keep_near(ANA, "bucket", msgspec.structs.replace(QUESTION, digest=f"{number}"), 60 + number)
    assert [each.digest for each in await near.near(ANA, "bucket")] == [f"{each}" for each in range(3, BUCKET + 3)]
    with nodes.server.client() as client:
        (questions,) = client.keys("prosa:*:cn:*")
        assert client.hlen(questions) == BUCKET


async def test_questions_and_vectors_expire(nodes: Nodes) -> None:
    near = nodes.one.near_questions
    await near.keep_near(ANA, "bucket", QUESTION, 0.05)
    await near.keep_vector("acme", "ana", "digest", b"1234", 0.05)
    with nodes.server.client() as client:
        await eventually(lambda: not [key for kind in KINDS for key in client.keys(f"prosa:*:{kind}:*")])
    assert (await near.near(ANA, "bucket"), await near.vector("acme", "digest")) == ([], None)


async def test_a_question_that_has_expired_is_not_found_beside_one_that_has_not(nodes: Nodes) -> None:
    near = nodes.one.near_questions
    await near.keep_near(ANA, "bucket", QUESTION, 60)
    await near.keep_near(ANA, "bucket", msgspec.structs.replace(QUESTION, digest="brief"), 0.001)
    with nodes.server.client() as client:
        (expiry,) = client.keys("prosa:*:cz:*")
        past = float(client.zscore(expiry, "brief") or 0)
        await eventually(lambda: client.time()[0] * 1000 + client.time()[1] / 1000 > past + 1)
    assert await near.near(ANA, "bucket") == [QUESTION]


async def test_clearing_forgets_a_tenants_questions_and_no_others(nodes: Nodes) -> None:
    elsewhere = CacheScope(tenant="other", user_id="ana")
    await nodes.one.near_questions.keep_near(ANA, "bucket", QUESTION, 60)
    await nodes.one.near_questions.keep_near(elsewhere, "bucket", QUESTION, 60)
    await nodes.two.answers.clear("acme")
    assert await nodes.one.near_questions.near(ANA, "bucket") == []
    assert await nodes.one.near_questions.near(elsewhere, "bucket") == [QUESTION]


async def test_a_vector_is_the_tenants_and_kept_as_it_is(nodes: Nodes) -> None:
    every_byte = bytes(range(256))
    await nodes.one.near_questions.keep_vector("acme", "ana", "digest", every_byte, 60)
    assert await nodes.two.near_questions.vector("acme", "digest") == every_byte
    assert await nodes.two.near_questions.vector("other", "digest") is None


async def test_an_erasure_deletes_a_users_questions_and_vectors_and_no_others(nodes: Nodes) -> None:
    near, shared = nodes.one.near_questions, msgspec.structs.replace(ANA, shared=True)
    of_rui = msgspec.structs.replace(QUESTION, digest="of_rui")
    await near.keep_near(shared, "bucket", QUESTION, 60)
    await near.keep_near(msgspec.structs.replace(RUI, shared=True), "bucket", of_rui, 60)
    await near.keep_near(ANA, "bucket", QUESTION, 60)
    await near.keep_vector("acme", "ana", "digest", b"1234", 60)
    await near.keep_vector("acme", "rui", "of_rui", b"1234", 60)
    await nodes.two.sessions.erase("acme", "ana")
    assert await near.near(shared, "bucket") == [of_rui]
    assert await near.near(ANA, "bucket") == []
    assert await near.vector("acme", "digest") is None
    assert await near.vector("acme", "of_rui") == b"1234"
