"""`/api/v1/flags`: set, seen, taken back, audited; each tenant its own, the operator what holds for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.server.conftest import KEYS, PlannedProvider, RunningNode, running_node
from tests.servers import RedisServer, valkey_server

pytestmark = pytest.mark.asyncio(loop_scope="module")
ACME, GLOBEX, OPERATOR = "acme-secret-0123456789", "globex-secret-0123456789", "operator-secret-0123456789"
EXPERIMENT = {"name": "trial", "variants": [{"name": "a", "weight": 1, "models": ["scripted:double"]}]}
PRO = {"attribute": "tier", "operator": "in", "values": ["pro", "max"]}


@pytest.fixture(scope="module")
def own_redis() -> Any:
    """Flags stay: these tests have a Redis of their own, and a database."""
    with valkey_server() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def flag_node(own_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNode]:
    """A node with a key for each of two tenants and for the operator."""
    async with running_node(
        PlannedProvider(),
        redis_url=own_redis.url,
        data_dir=tmp_path_factory.mktemp("flags"),
        bootstrap_api_keys=f"{KEYS},ops={OPERATOR}",
        operator_tenant="ops",
    ) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def acme(flag_node: RunningNode) -> AsyncIterator[httpx2.AsyncClient]:
    async with flag_node.http(ACME) as http:
        yield http


@pytest_asyncio.fixture(loop_scope="module")
async def globex(flag_node: RunningNode) -> AsyncIterator[httpx2.AsyncClient]:
    async with flag_node.http(GLOBEX) as http:
        yield http


@pytest_asyncio.fixture(loop_scope="module")
async def operator(flag_node: RunningNode) -> AsyncIterator[httpx2.AsyncClient]:
    async with flag_node.http(OPERATOR) as http:
        yield http


def policy(name: str) -> dict[str, Any]:
    """A policy that holds."""
    return {"name": name, "rules": [{"name": "all", "models": ["scripted:double"]}]}


async def put(http: httpx2.AsyncClient, key: str, scope: str = "tenant", **body: Any) -> httpx2.Response:
    return await http.put(f"/api/v1/flags/{key}", json=body, params={"scope": scope})


async def test_every_flag_of_the_catalogue_is_listed_with_its_default(globex: httpx2.AsyncClient) -> None:
    flags = {flag["key"]: flag for flag in (await globex.get("/api/v1/flags")).json()["flags"]}

    assert list(flags) == sorted(flags)
    assert {"model", "fallbacks", "policy", "experiment", "tier", "cache", "disabled_models"} <= flags.keys()
    assert flags["budget_user_day_usd"] == {
        "key": "budget_user_day_usd",
        "kind": "number",
        "description": flags["budget_user_day_usd"]["description"],
        "reader": "budgets",
        "operator_only": False,
        "default": -1,
        "value": -1.0,
        "reason": "DEFAULT",
        "variant": None,
        "version": 0,
        "own": None,
        "all": None,
        "all_version": None,
    }


async def test_a_flag_is_set_seen_and_taken_back(acme: httpx2.AsyncClient) -> None:
    rules = [{"when": [PRO], "value": 5}, {"value": 3, "variant": "b", "percent": 10, "by": "user_id"}]

    answer = await put(acme, "budget_user_day_usd", value=1.5, rules=rules, description="a trial")
    seen = await acme.get("/api/v1/flags/budget_user_day_usd")
    gone = await acme.delete("/api/v1/flags/budget_user_day_usd")

    own = answer.json()["own"]
    assert (own["value"], own["description"], own["updated_by"][:4]) == (1.5, "a trial", "key:")
    assert own["rules"] == rules
    assert seen.json() == answer.json()
    assert (seen.json()["value"], seen.headers["etag"]) == (1.5, f'"{own["version"]}"')
    assert (gone.json()["own"], gone.json()["value"]) == (None, -1)
    assert gone.json()["version"] > own["version"]


async def test_one_can_ask_what_a_flag_is_for_whom(acme: httpx2.AsyncClient) -> None:
    rules = [
        {"when": [PRO], "value": "for pro", "variant": "p"},
        {"when": [{"attribute": "tenant", "values": ["globex"]}], "value": "globex"},
        {"value": "for some", "variant": "s", "percent": 50},
    ]
    await put(acme, "tier", value="for others", rules=rules)

    async def asked(**whom: str) -> tuple[str, str, str | None]:
        flag = (await acme.get("/api/v1/flags/tier", params=whom)).json()
        return flag["value"], flag["reason"], flag["variant"]

    some = {(await asked(user_id=f"user-{number}")) for number in range(40)}
    assert await asked(tier="pro") == ("for pro", "TARGETING_MATCH", "p")
    assert await asked(tenant="globex") == ("for others", "DEFAULT", None)
    assert some == {("for some", "SPLIT", "s"), ("for others", "DEFAULT", None)}
    await acme.delete("/api/v1/flags/tier")


async def test_a_tenants_flags_are_seen_and_changed_by_no_other(
    acme: httpx2.AsyncClient, globex: httpx2.AsyncClient
) -> None:
    await put(acme, "tier", value="acmes")

    theirs = (await globex.get("/api/v1/flags/tier")).json()
    await globex.delete("/api/v1/flags/tier")
    await put(globex, "tier", value="globexs")

    assert (theirs["own"], theirs["value"], theirs["version"]) == (None, "free", 0)
    assert (await acme.get("/api/v1/flags/tier")).json()["value"] == "acmes"
    listed = (await globex.get("/api/v1/flags")).text + (await globex.get("/api/v1/flags/audit")).text
    assert "acmes" not in listed


async def test_what_holds_for_all_is_the_operators_and_a_tenants_own_wins(
    acme: httpx2.AsyncClient, globex: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    refused = [
        await put(acme, "cache", scope="all", value=False),
        await acme.delete("/api/v1/flags/cache", params={"scope": "all"}),
        await acme.get("/api/v1/flags/audit", params={"scope": "all"}),
    ]
    only_globex = {"attribute": "tenant", "values": ["globex"]}
    answer = await put(operator, "cache", scope="all", value=False, rules=[{"when": [only_globex], "value": True}])
    inherited = {name: (await http.get("/api/v1/flags/cache")) for name, http in (("a", acme), ("g", globex))}
    await put(acme, "cache", value=True)
    own = await acme.get("/api/v1/flags/cache")

    assert [(it.status_code, it.json()["error"]["code"]) for it in refused] == [(403, "unauthorized")] * 3
    assert answer.headers["etag"] == f'"{answer.json()["all_version"]}"'
    assert answer.json()["all"]["value"] is False
    assert {name: it.json()["value"] for name, it in inherited.items()} == {"a": False, "g": True}
    assert "globex" not in inherited["a"].text
    assert (own.json()["value"], own.json()["all"]) == (True, None)


@pytest.mark.parametrize(("key", "value"), [("disabled_models", []), ("budget_tenant_day_usd", -1)])
async def test_what_protects_the_operator_no_tenant_lifts_for_itself(
    acme: httpx2.AsyncClient, operator: httpx2.AsyncClient, key: str, value: Any
) -> None:
    of_all = await put(operator, key, scope="all", value=value)
    refused = [
        await put(acme, key, value=value),
        await put(operator, key, value=value),
        await acme.delete(f"/api/v1/flags/{key}"),
        await acme.put("/api/v1/flags", json={"flags": {"cache": {"value": True}, key: {"value": value}}}),
    ]

    assert of_all.status_code == 200
    assert [(it.status_code, it.json()["error"]["code"]) for it in refused] == [(403, "unauthorized")] * 4
    assert "?scope=all" in refused[0].json()["error"]["message"]


async def test_the_operators_own_flags_are_its_tenants(operator: httpx2.AsyncClient, acme: httpx2.AsyncClient) -> None:
    await put(operator, "experiment", value=EXPERIMENT)

    assert (await acme.get("/api/v1/flags/experiment")).json()["value"] == {}


@pytest.mark.parametrize("how", ["body", "header"])
async def test_a_change_of_another_version_is_a_conflict(acme: httpx2.AsyncClient, how: str) -> None:
    first = (await put(acme, "policy", value=policy("one"))).json()["version"]
    second = (await put(acme, "policy", value=policy("two"), version=first)).json()["version"]

    if how == "body":
        late = await put(acme, "policy", value=policy("three"), version=first)
    else:
        late = await acme.put("/api/v1/flags/policy", json={"value": {}}, headers={"If-Match": f'"{first}"'})
    deleted = await acme.delete("/api/v1/flags/policy", headers={"If-Match": f'"{first}"'})

    assert [(it.status_code, it.json()["error"]["code"]) for it in (late, deleted)] == [(409, "invalid_request")] * 2
    assert str(second) in late.json()["error"]["message"]
    assert (await acme.get("/api/v1/flags/policy")).json()["value"] == policy("two")


async def test_several_flags_are_set_together_or_not_at_all(acme: httpx2.AsyncClient) -> None:
    together = {"budget_user_day_usd": {"value": 9}, "experiment": {"value": EXPERIMENT}}
    wrong = {"budget_user_day_usd": {"value": 10}, "experiment": {"value": {}, "version": 1}}

    done = await acme.put("/api/v1/flags", json={"flags": together})
    refused = await acme.put("/api/v1/flags", json={"flags": wrong})

    assert [flag["value"] for flag in done.json()["flags"]] == [9.0, EXPERIMENT]
    assert refused.status_code == 409
    assert (await acme.get("/api/v1/flags/budget_user_day_usd")).json()["value"] == 9


@pytest.mark.parametrize(
    ("key", "body", "status", "says"),
    [
        pytest.param("modell", {"value": "x"}, 404, "There is no such flag; there are: ", id="unknown_key"),
        pytest.param("cache", {"value": "yes"}, 422, "value: cache takes true or false", id="wrong_kind"),
        pytest.param("cache", {}, 422, "give a value or rules", id="nothing"),
        pytest.param("cache", {"value": None}, 422, "give a value or rules", id="null"),
        pytest.param("cache", {"value": True, "rulez": []}, 422, "rulez", id="unknown_field"),
        pytest.param("model", {"value": "gpt-5"}, 422, "not written as provider:model", id="no_provider"),
        pytest.param("model", {"value": "nobody:gpt-5"}, 422, "there is no provider 'nobody'", id="unknown_provider"),
        pytest.param("tier", {"rules": [{"value": "x", "percent": 101}]}, 422, "percent", id="percent_over_100"),
        pytest.param("tier", {"rules": [{"value": "x", "percent": 5}]}, 422, "variant", id="no_variant"),
        pytest.param(
            "tier", {"rules": [{"when": [{"attribute": "tier"}], "value": "x"}]}, 422, "values", id="no_values"
        ),
        pytest.param(
            "tier",
            {"rules": [{"when": [{"attribute": "tier", "operator": "like", "values": ["x"]}], "value": "x"}]},
            422,
            "operator",
            id="unknown_operator",
        ),
        pytest.param("tier", {"value": "a\x00"}, 422, "NUL", id="nul"),
        pytest.param("policy", {"value": {"x": "y" * 20_000}}, 422, "at most 16384", id="too_long"),
        pytest.param(
            "policy", {"value": {"rules": []}}, 422, "value: Object missing required field `name`", id="policy"
        ),
        pytest.param(
            "policy", {"value": {"name": "x", "rules": [{"name": "y", "models": []}]}}, 422, "names no model", id="rule"
        ),
        pytest.param("experiment", {"value": {"name": "x", "variants": []}}, 422, "needs a variant", id="experiment"),
        pytest.param(
            "experiment",
            {"value": {"name": "x", "variants": [{"name": "a", "models": ["nobody:x"]}]}},
            422,
            "there is no provider 'nobody'",
            id="experiment_with_an_unknown_model",
        ),
        pytest.param("tier", {"value": "x", "version": -1}, 422, "version", id="negative_version"),
    ],
)
async def test_a_wrong_flag_is_refused_with_what_is_wrong(
    acme: httpx2.AsyncClient, key: str, body: dict[str, Any], status: int, says: str
) -> None:
    before = (await acme.get("/api/v1/flags")).json()

    answer = await put(acme, key, **body)

    assert (answer.status_code, says in answer.json()["error"]["message"]) == (status, True), answer.text
    assert (await acme.get("/api/v1/flags")).json() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/api/v1/flags/nothing", id="key"),
        pytest.param("DELETE", "/api/v1/flags/nothing", id="key_deleted"),
        pytest.param("GET", "/api/v1/flags/audit?key=nothing", id="key_audited"),
        pytest.param("GET", "/api/v1/flags/audit?limit=x", id="limit"),
        pytest.param("GET", "/api/v1/flags/audit?limit=0", id="limit_0"),
        pytest.param("GET", "/api/v1/flags/audit?before_ms=-1", id="before_ms"),
        pytest.param("GET", "/api/v1/flags/audit?scope=globex", id="scope"),
        pytest.param("DELETE", "/api/v1/flags/cache?scope=globex", id="scope_deleted"),
    ],
)
async def test_a_wrong_request_is_refused(acme: httpx2.AsyncClient, method: str, path: str) -> None:
    answer = await acme.request(method, path)

    assert answer.status_code in (404, 422)
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/api/v1/flags", "/api/v1/flags/cache", "/api/v1/flags/audit", "/api/v1/models", "/api/v1/models/status"]
)
async def test_without_a_key_nothing_is_told(flag_node: RunningNode, path: str) -> None:
    async with flag_node.http() as nobody, flag_node.http("wrong-secret-0123456789") as stranger:
        answers = [await http.get(path) for http in (nobody, stranger)]

    assert [(it.status_code, it.json()["error"]["code"]) for it in answers] == [(401, "unauthorized")] * 2


async def test_the_audit_says_who_changed_what_and_how_it_was_before(acme: httpx2.AsyncClient) -> None:
    first = (await put(acme, "fallbacks", value=["scripted:old"])).json()
    second = (await put(acme, "fallbacks", value=[])).json()
    gone = (await acme.delete("/api/v1/flags/fallbacks")).json()

    async def recorded() -> list[dict[str, Any]]:
        answer = await acme.get("/api/v1/flags/audit", params={"key": "fallbacks", "limit": 3})
        return answer.json()["changes"]

    async with asyncio.timeout(20):
        while len(changes := await recorded()) < 3:
            await asyncio.sleep(0.05)
    assert [(it["before"], it["after"]) for it in changes] == [
        (second["own"], None),
        (first["own"], second["own"]),
        (None, first["own"]),
    ]
    assert {(it["by"], it["tenant"], it["scope"]) for it in changes} == {(first["own"]["updated_by"], "acme", "tenant")}
    assert changes[0]["version"] == gone["version"]


@pytest.mark.chaos
async def test_a_redis_that_has_lost_everything_gets_its_flags_back_from_sql(tmp_path: Path) -> None:
    """The only node that knew them has stopped; the next one starts on an empty Redis and the same SQL."""
    settings = {"data_dir": tmp_path, "bootstrap_api_keys": KEYS}
    with valkey_server() as redis:
        async with (
            running_node(PlannedProvider(), redis_url=redis.url, **settings) as before,
            before.http(ACME) as http,
        ):
            kept = (await put(http, "tier", value="kept")).json()
            taken_back = await put(http, "cache", value=False)
            await http.delete("/api/v1/flags/cache")
            async with asyncio.timeout(20):
                while len((await http.get("/api/v1/flags/audit")).json()["changes"]) < 3:
                    await asyncio.sleep(0.05)
        with redis.client() as client:
            client.flushall()
        async with running_node(PlannedProvider(), redis_url=redis.url, **settings) as after, after.http(ACME) as http:
            flags = [(await http.get(f"/api/v1/flags/{key}")).json() for key in ("tier", "cache")]
            late = await put(http, "tier", value="late", version=0)
            with redis.client() as client:
                stored = client.hget("prosa:{p0}:fl:acme", "tier")

    assert taken_back.status_code == 200
    assert flags[0] == kept
    assert (flags[1]["own"], flags[1]["value"]) == (None, True)
    assert stored.startswith(str(kept["version"]).encode())
    assert late.status_code == 409
