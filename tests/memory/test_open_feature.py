"""The OpenFeature provider: kinds, reasons, variants, events, and one domain a node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.provider import ProviderStatus

from core.errors import UserError
from core.flag_catalog import flag_catalog
from core.flags import ALL_TENANTS, Condition, Flag, FlagSnapshot, Rule
from memory.flags.open_feature import OpenFeatureFlags, open_feature_flags

CATALOG = flag_catalog(model=lambda name: None)
ACME = {"tenant": "acme", "user_id": "ana", "tier": "pro"}
PRO = (Condition(attribute="tier", values=("pro",)),)


class Known:
    """What `LiveFlags` is to the provider: a snapshot that tells of changes."""

    def __init__(self) -> None:
        self.snapshot = FlagSnapshot()
        self._changed: Callable[[frozenset[str]], None] = lambda _: None
        self.say_stale: Callable[[bool], None] = lambda _: None

    def on_change(self, call: Callable[[frozenset[str]], None]) -> None:
        self._changed = call

    def on_stale(self, call: Callable[[bool], None]) -> None:
        self.say_stale = call

    def learn(self, key: str, value: Any, *rules: Rule, scope: str = "acme", version: int = 1) -> None:
        flag = Flag(scope=scope, key=key, version=version, value=value, rules=rules, updated_ms=0, updated_by="x")
        self._changed(self.snapshot.join([flag]))


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.fixture
def flags(known: Known) -> Iterator[OpenFeatureFlags]:
    with open_feature_flags(known, CATALOG, "node_1") as opened:  # type: ignore[arg-type]
        yield opened


def values(flags: OpenFeatureFlags) -> Sequence[Any]:
    """One of each kind."""
    return [
        flags.boolean("cache", ACME),
        flags.text("model", ACME),
        flags.number("budget_user_day_usd", ACME),
        flags.object("fallbacks", ACME),
        flags.object("policy", ACME),
    ]


def test_what_nobody_has_set_is_the_catalogues_default(flags: OpenFeatureFlags) -> None:
    assert values(flags) == [True, "", -1, None, {}]


def test_what_nobody_has_set_is_the_default_of_who_asks(flags: OpenFeatureFlags) -> None:
    assert flags.boolean("cache", ACME, False) is False
    assert flags.text("model", ACME, "openai:gpt-5") == "openai:gpt-5"
    assert flags.number("budget_user_day_usd", ACME, 3) == 3
    assert flags.object("fallbacks", ACME, ["a:b"]) == ["a:b"]


def test_a_flag_that_was_taken_back_is_the_default_again(known: Known, flags: OpenFeatureFlags) -> None:
    known.learn("cache", False)
    known.learn("cache", None, version=2)

    assert flags.boolean("cache", ACME) is True
    known.learn("cache", False, scope=ALL_TENANTS)
    assert flags.boolean("cache", ACME) is False


def test_what_is_set_is_given_by_kind(known: Known, flags: OpenFeatureFlags) -> None:
    known.learn("cache", False)
    known.learn("model", "openai:gpt-5")
    known.learn("budget_user_day_usd", 2)
    known.learn("fallbacks", ["a:b"])
    known.learn("policy", {"kind": "cheap"})

    assert values(flags) == [False, "openai:gpt-5", 2, ["a:b"], {"kind": "cheap"}]


@pytest.mark.parametrize(
    ("value", "rules", "reason", "variant", "version"),
    [
        pytest.param("x", (), "STATIC", None, 1, id="static"),
        pytest.param("x", (Rule(when=PRO, value="y", variant="v"),), "TARGETING_MATCH", "v", 1, id="match"),
        pytest.param("x", (Rule(value="y", variant="v", percent=99.9999),), "SPLIT", "v", 1, id="split"),
        pytest.param("x", (Rule(value="y", variant="v", percent=0),), "DEFAULT", None, 1, id="no_rule"),
        pytest.param(None, (Rule(value="y", variant="v", percent=0),), "DEFAULT", None, 0, id="nothing_said"),
    ],
)
def test_an_evaluation_has_reason_variant_and_version(
    known: Known, flags: OpenFeatureFlags, value: Any, rules: Any, reason: str, variant: str | None, version: int
) -> None:
    known.learn("tier", value, *rules)

    found = flags.details("tier", ACME)
    shown = api.get_client("node_1").get_string_details("tier", "d", EvaluationContext(attributes=ACME))

    assert (found.reason, found.variant, found.version) == (reason, variant, version)
    assert (shown.reason, shown.variant, shown.error_code) == (Reason(reason), variant, None)


def test_the_targeting_key_is_the_user(known: Known, flags: OpenFeatureFlags) -> None:
    known.learn("tier", "free", Rule(when=(Condition(attribute="user_id", values=("ana",)),), value="pro"))
    client = api.get_client("node_1")

    def tier(targeting_key: str | None, **attributes: Any) -> str:
        return client.get_string_value("tier", "d", EvaluationContext(targeting_key, {"tenant": "acme", **attributes}))

    assert [tier("ana"), tier("bia"), tier("bia", user_id="ana"), tier(None, age=3)] == ["pro", "free", "pro", "free"]


def test_what_holds_for_all_is_given_where_no_tenant_is_named(known: Known, flags: OpenFeatureFlags) -> None:
    known.learn("tier", "all", scope=ALL_TENANTS)

    assert api.get_client("node_1").get_string_value("tier", "d") == "all"


def test_an_unknown_key_or_another_kind_is_an_error_with_the_default(flags: OpenFeatureFlags) -> None:
    client = api.get_client("node_1")

    unknown = client.get_string_details("nothing", "d")
    wrong = client.get_boolean_details("tier", True)

    assert (unknown.value, unknown.error_code) == ("d", ErrorCode.FLAG_NOT_FOUND)
    assert (wrong.value, wrong.error_code) == (True, ErrorCode.TYPE_MISMATCH)
    with pytest.raises(UserError, match="There is no such flag"):
        flags.text("nothing", ACME)


@pytest.mark.parametrize(("kept", "value", "error"), [(3, 3, None), (3.5, 7, ErrorCode.TYPE_MISMATCH)])
def test_a_whole_number_may_be_asked_for(
    known: Known, flags: OpenFeatureFlags, kept: float, value: int, error: ErrorCode | None
) -> None:
    known.learn("budget_user_day_usd", kept)

    found = api.get_client("node_1").get_integer_details("budget_user_day_usd", 7, EvaluationContext(attributes=ACME))

    assert (found.value, found.error_code) == (value, error)


async def test_a_change_and_a_redis_that_is_away_are_events(known: Known, flags: OpenFeatureFlags) -> None:
    client, loop = api.get_client("node_1"), asyncio.get_running_loop()
    heard: asyncio.Queue[list[str] | None] = asyncio.Queue()

    def hear(details: EventDetails) -> None:  # OpenFeature calls it in a thread of its own
        loop.call_soon_threadsafe(heard.put_nowait, details.flags_changed)

    client.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, hear)
    known.learn("cache", False)
    async with asyncio.timeout(20):
        changed = await heard.get()
    client.remove_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, hear)
    known.say_stale(True)
    stale = client.get_provider_status()
    known.say_stale(False)

    assert changed == ["cache"]
    assert (stale, client.get_provider_status()) == (ProviderStatus.STALE, ProviderStatus.READY)
    assert flags.boolean("cache", ACME) is False


def test_two_nodes_of_one_process_have_flags_of_their_own(known: Known, flags: OpenFeatureFlags) -> None:
    other = Known()
    known.learn("tier", "one")

    with open_feature_flags(other, CATALOG, "node_2") as others:  # type: ignore[arg-type]
        other.learn("tier", "two")
        while_open = [flags.text("tier", ACME), others.text("tier", ACME)]

    assert while_open == ["one", "two"]
    assert [flags.text("tier", ACME), others.text("tier", ACME)] == ["one", "free"]
