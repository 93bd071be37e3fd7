"""Flags: which rule holds, who is under a percentage, and that nobody is moved who need not be."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.flags import ALL_TENANTS, Condition, Flag, FlagSnapshot, Rule, evaluate, share

USERS = [f"user-{number}" for number in range(20_000)]


def flag(*rules: Rule, value: Any = "default", version: int = 1, scope: str = "acme", key: str = "model") -> Flag:
    return Flag(scope=scope, key=key, version=version, value=value, rules=rules, updated_ms=0, updated_by="key:1")


def when(attribute: str, *values: str, operator: Any = "equals") -> Condition:
    return Condition(attribute=attribute, operator=operator, values=values)


def of_user(user_id: str, **more: str) -> dict[str, str]:
    return {"tenant": "acme", "user_id": user_id, **more}


def takers(*rules: Rule) -> dict[str, Any]:
    """Which value each user gets."""
    asked = flag(*rules)
    return {user: evaluate(asked, of_user(user)).value for user in USERS}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        pytest.param(when("tier", "pro"), {"tier": "pro"}, True, id="equals"),
        pytest.param(when("tier", "pro"), {"tier": "free"}, False, id="equals_not"),
        pytest.param(when("tier", "pro"), {}, False, id="not_known"),
        pytest.param(when("tier", "pro", "max", operator="in"), {"tier": "max"}, True, id="in"),
        pytest.param(when("tier", "pro", "max", operator="in"), {"tier": "ma"}, False, id="in_not"),
        pytest.param(when("locale", "pt", operator="starts_with"), {"locale": "pt-BR"}, True, id="starts_with"),
        pytest.param(when("locale", "pt", "es", operator="starts_with"), {"locale": "es"}, True, id="starts_with_one"),
        pytest.param(when("locale", "pt", operator="starts_with"), {"locale": "en-pt"}, False, id="starts_with_not"),
    ],
)
def test_a_condition_looks_at_one_attribute(condition: Condition, context: dict[str, str], holds: bool) -> None:
    found = evaluate(flag(Rule(when=(condition,), value="rule")), context)

    assert found is not None
    assert found.value == ("rule" if holds else "default")


def test_all_conditions_of_a_rule_must_hold() -> None:
    rule = Rule(when=(when("tier", "pro"), when("agent", "sales")), value="rule")

    values = [
        evaluate(flag(rule), {"tier": tier, "agent": agent}).value  # type: ignore[union-attr]
        for tier, agent in itertools.product(["pro", "free"], ["sales", "help"])
    ]

    assert values == ["rule", "default", "default", "default"]


def test_the_first_rule_that_holds_counts() -> None:
    rules = (
        Rule(when=(when("tier", "pro"),), value="one"),
        Rule(when=(when("tier", "pro", "free", operator="in"),), value="two"),
    )

    assert [evaluate(flag(*rules), {"tier": tier}).value for tier in ("pro", "free", "x")] == [  # type: ignore[union-attr]
        "one",
        "two",
        "default",
    ]


@pytest.mark.parametrize(
    ("asked", "reason", "variant"),
    [
        pytest.param(flag(), "STATIC", None, id="no_rules"),
        pytest.param(flag(Rule(when=(when("tier", "pro"),), value="x")), "DEFAULT", None, id="no_rule_holds"),
        pytest.param(flag(Rule(value="x", variant="all")), "TARGETING_MATCH", "all", id="a_rule_holds"),
        pytest.param(flag(Rule(value="x", variant="b", percent=99.999)), "SPLIT", "b", id="a_percentage"),
    ],
)
def test_an_evaluation_says_how_it_came_about(asked: Flag, reason: str, variant: str | None) -> None:
    found = evaluate(asked, of_user("ana"))

    assert found is not None
    assert (found.reason, found.variant, found.version) == (reason, variant, 1)


def test_a_flag_without_a_value_of_its_own_says_nothing_where_no_rule_holds() -> None:
    assert evaluate(flag(Rule(when=(when("user_id", "ana"),), value="x"), value=None), of_user("bia")) is None


def test_false_zero_and_nothing_in_a_list_are_values() -> None:
    assert [evaluate(flag(value=value), {}).value for value in (False, 0, [], "")] == [False, 0, [], ""]  # type: ignore[union-attr]


# ---------------------------------------------------------------- percentages


def test_where_words_fall_is_the_same_for_ever() -> None:
    """Written down, because a change would move every user of every running experiment."""
    assert share("model", "b", "acme", "ana") == 0.8633973055485711
    assert share("a", "b") != share("ab")


def test_shares_are_spread_evenly() -> None:
    """Pearson's chi-squared over 100 cells: 99 degrees of freedom, exceeded by chance once in a million at 178."""
    cells = Counter(int(share("model", "b", "acme", user) * 100) for user in USERS)
    expected = len(USERS) / 100

    chi_squared = sum((cells[cell] - expected) ** 2 / expected for cell in range(100))

    assert set(cells) == set(range(100))
    assert chi_squared < 178


@pytest.mark.parametrize("percent", [0, 0.5, 10, 50, 99])
def test_a_percentage_takes_about_so_many(percent: float) -> None:
    taken = Counter(takers(Rule(value="b", variant="b", percent=percent)).values())["b"]

    deviation = math.sqrt(len(USERS) * percent / 100 * (1 - percent / 100))
    assert abs(taken - len(USERS) * percent / 100) <= 5 * deviation


def test_a_greater_percentage_moves_only_those_whom_it_takes() -> None:
    before = takers(Rule(value="b", variant="b", percent=20), Rule(value="c", variant="c", percent=30))

    after = takers(Rule(value="b", variant="b", percent=30), Rule(value="c", variant="c", percent=30))

    moved = {user for user in USERS if before[user] != after[user]}
    assert {after[user] for user in moved} == {"b"}
    assert {before[user] for user in moved} == {"c", "default"}
    assert abs(len(moved) - len(USERS) * 0.1) <= 5 * math.sqrt(len(USERS) * 0.1 * 0.9)


def test_a_rule_that_is_put_before_others_moves_nobody_but_its_own() -> None:
    split = Rule(value="b", variant="b", percent=50)
    before = takers(split)

    after = takers(Rule(when=(when("user_id", "user-7"),), value="x"), split)

    assert {user for user in USERS if before[user] != after[user]} == {"user-7"}


def test_two_variants_spread_independently_of_each_other() -> None:
    asked = [flag(Rule(value="x", variant=variant, percent=50)) for variant in "bc"]

    both = Counter(
        tuple(evaluate(one, of_user(user)).value for one in asked)  # type: ignore[union-attr]
        for user in USERS
    )

    assert all(abs(count - len(USERS) / 4) <= 5 * math.sqrt(len(USERS) * 0.25 * 0.75) for count in both.values())
    assert len(both) == 4


def test_people_may_be_spread_by_another_attribute() -> None:
    asked = flag(Rule(value="b", variant="b", percent=50, by="agent"))

    values = {evaluate(asked, of_user(user, agent="sales")).value for user in USERS[:100]}  # type: ignore[union-attr]

    assert len(values) == 1


def test_whom_nothing_is_known_of_to_spread_by_is_under_no_percentage() -> None:
    assert evaluate(flag(Rule(value="b", variant="b", percent=99.9)), {"tenant": "acme"}).value == "default"  # type: ignore[union-attr]


# ---------------------------------------------------------------- the snapshot


def test_a_tenants_own_flag_wins_over_that_of_all() -> None:
    snapshot = FlagSnapshot()
    snapshot.join([flag(value="own"), flag(value="all", scope=ALL_TENANTS)])

    found = [snapshot.evaluate("model", {"tenant": tenant}) for tenant in ("acme", "globex")]

    assert [it.value for it in found if it is not None] == ["own", "all"]


def test_where_a_tenants_own_flag_says_nothing_that_of_all_is_asked() -> None:
    snapshot = FlagSnapshot()
    own = flag(Rule(when=(when("user_id", "ana"),), value="own"), value=None)
    snapshot.join([own, flag(value="all", scope=ALL_TENANTS)])

    assert [snapshot.evaluate("model", of_user(user)).value for user in ("ana", "bia")] == ["own", "all"]  # type: ignore[union-attr]
    assert snapshot.evaluate("cache", of_user("ana")) is None


def test_another_tenants_flag_is_not_asked() -> None:
    snapshot = FlagSnapshot()
    snapshot.join([flag(value="own")])

    assert snapshot.evaluate("model", {"tenant": "globex"}) is None
    assert snapshot.evaluate("model", {}) is None


@given(st.permutations([1, 2, 3, 4, 5]), st.integers(1, 5))
def test_whatever_order_news_come_in_the_greatest_version_stays(order: list[int], cut: int) -> None:
    snapshot = FlagSnapshot()

    snapshot.join(flag(value=str(version), version=version) for version in order[:cut])
    snapshot.join(flag(value=str(version), version=version) for version in order[cut - 1 :])

    assert snapshot.of("acme")["model"].value == "5"


def test_joining_tells_what_changed_and_what_another_lacks() -> None:
    snapshot = FlagSnapshot()
    old, new, other = flag(version=1), flag(version=2), flag(version=1, key="cache")

    assert snapshot.join([old, other]) == {"model", "cache"}
    assert snapshot.join([new, other]) == {"model"}
    assert snapshot.join([old]) == frozenset()
    assert snapshot.newer_than("acme", [old]) == [new, other]
    assert snapshot.newer_than("acme", [new, other]) == []
    assert snapshot.newer_than("globex", []) == []
