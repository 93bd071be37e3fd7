"""`/api/v1/models`: what is offered, what a tenant selects, how models do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from agent.providers.scripted import Fail, Say
from core.errors import ProviderError
from tests.server.conftest import KEYS, PlannedProvider, RunningNode, running_node
from tests.servers import valkey_server

pytestmark = pytest.mark.asyncio(loop_scope="module")
ACME, GLOBEX, OPERATOR = "acme-secret-0123456789", "globex-secret-0123456789", "operator-secret-0123456789"
AGENT = """
name: {name}
title: {name}
instructions: {{id: sales, version: 1}}
{more}
"""


@pytest.fixture(scope="module")
def agents_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two agents: one with the server's model, one with its own and fallbacks."""
    folder = tmp_path_factory.mktemp("agents")
    more = {
        "sales": "",
        "own": "model: openai:gpt-4o-mini\nfallbacks: [scripted:double, scripted:spare]\npolicy: cheap\n"
        "experiment: {name: e, variants: [{name: a, models: [scripted:double]}, {name: b, models: [scripted:arm]}]}",
    }
    for name, lines in more.items():
        (folder / f"{name}.yaml").write_text(AGENT.format(name=name, more=lines))
    (folder / "policies").mkdir()
    policy = "name: cheap\nrules: [{name: all, models: [scripted:ruled]}]"
    (folder / "policies" / "cheap.yaml").write_text(policy)
    return folder


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def model_node(agents_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNode]:
    with valkey_server() as redis:
        async with running_node(
            PlannedProvider(),
            redis_url=redis.url,
            data_dir=tmp_path_factory.mktemp("models"),
            bootstrap_api_keys=f"{KEYS},default={OPERATOR}",
            agents_dir=agents_dir,
            llm_fallbacks="scripted:spare",
            openai_api_key="none",
            openai_base_url="http://127.0.0.1:9/v1",
        ) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="module")
async def acme(model_node: RunningNode) -> AsyncIterator[httpx2.AsyncClient]:
    async with model_node.http(ACME) as http:
        yield http


@pytest_asyncio.fixture(loop_scope="module")
async def globex(model_node: RunningNode) -> AsyncIterator[httpx2.AsyncClient]:
    async with model_node.http(GLOBEX) as http:
        yield http


async def offers(http: httpx2.AsyncClient) -> dict[str, dict[str, Any]]:
    return {offer["model"]: offer for offer in (await http.get("/api/v1/models")).json()["models"]}


async def test_the_models_of_server_fallbacks_and_agents_are_offered(globex: httpx2.AsyncClient) -> None:
    offered = await offers(globex)

    assert {name: offer["used_by"] for name, offer in offered.items()} == {
        "openai:gpt-4o-mini": ["agent:own"],
        "scripted:arm": ["agent:own:experiment"],
        "scripted:double": ["server", "agent:own:fallback", "agent:own:experiment"],
        "scripted:ruled": ["agent:own:policy"],
        "scripted:spare": ["fallback", "agent:own:fallback"],
    }
    assert [name for name, offer in offered.items() if offer["default"]] == ["scripted:double"]
    assert all(offer["enabled"] and offer["available"] for offer in offered.values())
    assert offered["scripted:double"]["price"] is None


async def test_a_known_price_is_told_in_dollars_for_a_million_tokens(globex: httpx2.AsyncClient) -> None:
    """OpenAI's list, https://platform.openai.com/docs/pricing: gpt-4o-mini 0.15 in, 0.075 cached, 0.60 out."""
    price = (await offers(globex))["openai:gpt-4o-mini"]["price"]

    assert price == {"input_usd": 0.15, "cached_input_usd": 0.075, "output_usd": 0.6}


async def test_a_selection_sets_the_flag_of_that_tenant_only(
    acme: httpx2.AsyncClient, globex: httpx2.AsyncClient
) -> None:
    answer = await acme.post("/api/v1/models/select", json={"model": "scripted:spare"})

    assert (answer.status_code, answer.json()["key"], answer.json()["value"]) == (200, "model", "scripted:spare")
    assert [name for name, offer in (await offers(acme)).items() if offer["default"]] == ["scripted:spare"]
    assert [name for name, offer in (await offers(globex)).items() if offer["default"]] == ["scripted:double"]
    assert (await globex.get("/api/v1/flags/model")).json()["own"] is None


async def test_a_model_on_the_price_list_may_be_selected_where_its_provider_is_set_up(
    acme: httpx2.AsyncClient,
) -> None:
    answer = await acme.post("/api/v1/models/select", json={"model": "openai:gpt-4o"})
    offered = await offers(acme)
    await acme.delete("/api/v1/flags/model")

    assert answer.json()["value"] == "openai:gpt-4o"
    assert (offered["openai:gpt-4o"]["used_by"], offered["openai:gpt-4o"]["default"]) == (["flag"], True)


async def test_the_more_particular_selection_comes_first_and_the_last_one_counts(globex: httpx2.AsyncClient) -> None:
    rule = {"when": [{"attribute": "tier", "values": ["pro"]}], "value": "scripted:spare"}
    await globex.put("/api/v1/flags/model", json={"rules": [rule], "description": "kept"})
    for selection in (
        {"model": "scripted:spare", "agent": "own"},
        {"model": "scripted:spare", "user_id": "ana"},
        {"model": "scripted:spare", "user_id": "ana", "agent": "own"},
        {"model": "scripted:double", "user_id": "ana"},
    ):
        answer = await globex.post("/api/v1/models/select", json=selection)
        assert answer.status_code == 200, answer.text

    own = answer.json()["own"]
    assert [[tuple(it["values"]) for it in rule["when"]] + [rule["value"]] for rule in own["rules"]] == [
        [("ana",), ("own",), "scripted:spare"],
        [("ana",), "scripted:double"],
        [("own",), "scripted:spare"],
        [("pro",), "scripted:spare"],
    ]
    assert (own.get("value"), own["description"], answer.json()["value"]) == (None, "kept", "")
    await globex.delete("/api/v1/flags/model")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param({"model": "nobody:model"}, "there is no provider 'nobody'", id="provider"),
        pytest.param({"model": "gpt"}, "not written as provider:model", id="no_provider"),
        pytest.param({"model": "scripted:unheard"}, "there are: openai:gpt-4o-mini, scripted:arm, ", id="model"),
        pytest.param({"model": "openai:unheard"}, "neither set up here nor on the price list", id="priced"),
        pytest.param({"model": "scripted:double", "agent": "x"}, "there are: own, sales", id="agent"),
        pytest.param({"model": "scripted:double", "user_id": ""}, "user_id", id="user"),
        pytest.param({"model": "scripted:double", "users": ["x"]}, "users", id="unknown_field"),
        pytest.param({}, "model", id="nothing"),
    ],
)
async def test_a_wrong_selection_is_refused(globex: httpx2.AsyncClient, body: dict[str, Any], says: str) -> None:
    answer = await globex.post("/api/v1/models/select", json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")
    assert says in answer.json()["error"]["message"]
    assert (await globex.get("/api/v1/flags/model")).json()["own"] is None


async def switch_off(node: RunningNode, tenant: str, *models: str) -> None:
    """Have the operator end the use of models for one tenant."""
    rule = {"when": [{"attribute": "tenant", "values": [tenant]}], "value": models}
    async with node.http(OPERATOR) as operator:
        answer = await operator.put("/api/v1/flags/disabled_models?scope=all", json={"rules": [rule]})
    assert answer.status_code == 200, answer.text


async def test_a_model_that_is_switched_off_is_not_enabled_for_that_tenant(
    model_node: RunningNode, acme: httpx2.AsyncClient, globex: httpx2.AsyncClient
) -> None:
    await switch_off(model_node, "acme", "scripted:spare")

    assert [name for name, offer in (await offers(acme)).items() if not offer["enabled"]] == ["scripted:spare"]
    assert all(offer["enabled"] for offer in (await offers(globex)).values())


async def test_how_models_do_is_told_by_the_node_that_ran_them(
    model_node: RunningNode, acme: httpx2.AsyncClient
) -> None:
    model_node.provider.plan("ana", [Say("olá")], [Fail(ProviderError("away", retryable=False))])
    for message in ("ana: oi", "ana: e agora"):
        await acme.post("/chat", json={"user_id": "ana", "message": message})

    [node] = (await acme.get("/api/v1/models/status")).json()["nodes"]

    assert node["node"] == model_node.settings.node
    double = next(status for status in node["models"] if status["model"] == "scripted:double")
    assert (double["calls"], double["errors"], double["breaker"]) == (2, 1, "closed")
    assert double["last_error"] is not None
    assert double["last_error_ms"] <= double["last_call_ms"]
    assert double["ttft_ms_p50"] is not None


async def calls(http: httpx2.AsyncClient) -> dict[str, int]:
    """How often each model was called."""
    [node] = (await http.get("/api/v1/models/status")).json()["nodes"]
    return {status["model"]: status["calls"] for status in node["models"]}


async def test_a_selected_model_answers_the_next_turn_and_one_that_is_switched_off_none(
    model_node: RunningNode, globex: httpx2.AsyncClient
) -> None:
    model_node.provider.plan("bia", *[[Say("olá")]] * 4)

    async def models_called(user_id: str) -> dict[str, int]:
        earlier = await calls(globex)
        answer = await globex.post("/chat", json={"user_id": user_id, "message": "bia: oi"})
        assert answer.status_code == 200, answer.text
        return {name: count - earlier.get(name, 0) for name, count in (await calls(globex)).items()}

    await globex.post("/api/v1/models/select", json={"model": "scripted:spare", "user_id": "bia"})
    of_bia, of_caio = await models_called("bia"), await models_called("caio")
    await switch_off(model_node, "globex", "scripted:spare")
    switched_off = await globex.post("/chat", json={"user_id": "bia", "message": "bia: oi"})
    await globex.put("/api/v1/flags/fallbacks", json={"value": ["scripted:double"]})
    by_fallback = await models_called("bia")
    await switch_off(model_node, "nobody", "scripted:spare")
    for key in ("model", "fallbacks"):
        await globex.delete(f"/api/v1/flags/{key}")

    called = [
        (counted["scripted:spare"], counted.get("scripted:double", 0)) for counted in (of_bia, of_caio, by_fallback)
    ]
    assert called == [(1, 0), (0, 1), (0, 1)]
    assert switched_off.json()["error"]["code"] == "not_found"
