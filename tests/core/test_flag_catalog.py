"""What a flag may be set to."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import UserError
from core.flag_catalog import DESCRIPTION_CHARACTERS, VALUE_DEPTH, check_edit, flag_catalog
from core.flags import Condition, FlagEdit, Rule


def check_model(name: str) -> None:
    if not name.startswith("openai:"):
        raise UserError(f"there is no provider of {name!r}.")


CATALOG = flag_catalog(model=check_model)


def nested(depth: int) -> Any:
    return {} if depth == 0 else {"in": nested(depth - 1)}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "openai:gpt-5"),
        ("model", ""),
        ("fallbacks", ["openai:gpt-5", "openai:gpt-5-mini"]),
        ("fallbacks", []),
        ("disabled_models", ["openai:gpt-5"]),
        ("policy", {"any": ["thing", 1]}),
        ("tier", "pro"),
        ("budget_tenant_day_usd", -1),
        ("budget_user_day_usd", 0.5),
        ("cache", False),
    ],
)
def test_a_fitting_value_is_taken(key: str, value: Any) -> None:
    check_edit(CATALOG, FlagEdit(key=key, value=value))
    check_edit(CATALOG, FlagEdit(key=key, rules=(Rule(value=value),)))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("model", 3, "model takes a string"),
        ("model", "acme:gpt-5", "there is no provider of 'acme:gpt-5'"),
        ("fallbacks", ["acme:gpt-5"], "there is no provider"),
        ("fallbacks", {"a": "b"}, "a list of strings"),
        ("fallbacks", [3], "a list of strings"),
        ("policy", [], "an object is wanted"),
        ("tier", " ", "1 to 64 characters"),
        ("budget_tenant_day_usd", -2, "-1 (no limit)"),
        ("budget_tenant_day_usd", True, "takes a number"),
        ("budget_tenant_day_usd", float("inf"), "takes a number"),
        ("cache", "yes", "cache takes true or false"),
        ("cache", 1, "cache takes true or false"),
        ("policy", {"long": "x" * 20_000}, "at most 16384 characters"),
        ("policy", nested(VALUE_DEPTH), "levels deep"),
    ],
)
def test_another_value_is_refused_with_what_is_wanted(key: str, value: Any, says: str) -> None:
    for place, edit in (
        ("value", FlagEdit(key=key, value=value)),
        ("rules[0].value", FlagEdit(key=key, rules=(Rule(value=value),))),
    ):
        with pytest.raises(UserError) as refused:
            check_edit(CATALOG, edit)
        assert refused.value.message.startswith(f"{place}: ")
        assert says in refused.value.message


def test_an_unknown_flag_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match=r"there are: budget_tenant_day_usd, .*, tier") as refused:
        check_edit(CATALOG, FlagEdit(key="modell", value="x"))

    assert refused.value.code == "not_found"


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        pytest.param((Rule(value="pro", percent=5),), "rules[0].variant", id="a_percentage_without_a_name"),
        pytest.param(
            (Rule(value="pro", percent=5, variant="a"), Rule(value="max", percent=5, variant="a")),
            "same variant",
            id="two_of_one_name",
        ),
        pytest.param(
            (Rule(value="pro", when=(Condition(attribute="agent", values=("a", "b")),)),), "`equals`", id="two_values"
        ),
        pytest.param((Rule(value="pro"),) * 65, "at most 64", id="too_many"),
    ],
)
def test_rules_that_do_not_work_out_are_refused(rules: tuple[Rule, ...], says: str) -> None:
    with pytest.raises(UserError) as refused:
        check_edit(CATALOG, FlagEdit(key="tier", rules=rules))

    assert says in refused.value.message


def test_a_description_has_a_most() -> None:
    check_edit(CATALOG, FlagEdit(key="tier", value="pro", description="x" * DESCRIPTION_CHARACTERS))
    with pytest.raises(UserError, match="description: at most"):
        check_edit(CATALOG, FlagEdit(key="tier", value="pro", description="x" * (DESCRIPTION_CHARACTERS + 1)))


@pytest.mark.parametrize("known", CATALOG.values(), ids=lambda known: known.key)
def test_each_default_of_the_catalogue_keeps_the_catalogues_own_rules(known: Any) -> None:
    check_edit(CATALOG, FlagEdit(key=known.key, value=known.default))
    assert known.description.endswith(".")
