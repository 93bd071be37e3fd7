"""Who gets which variant."""

from __future__ import annotations

from collections import Counter

import pytest

from core.experiments import Experiment, Variant, variant_of

USERS = [f"user_{number}" for number in range(4_000)]


def experiment(**weights: float) -> Experiment:
    return Experiment(name="e", variants=tuple(Variant(name=name, weight=weight) for name, weight in weights.items()))


def dealt(one: Experiment) -> dict[str, str]:
    return {user: variant_of(one, "acme", user).name for user in USERS}


def test_a_user_keeps_the_variant() -> None:
    assert dealt(experiment(a=1, b=1)) == dealt(experiment(a=1, b=1))


def test_the_shares_are_the_weights() -> None:
    counts = Counter(dealt(experiment(a=70, b=20, c=10)).values())
    # Four standard deviations of a binomial with 4,000 draws are at most 127.
    assert [abs(counts[name] - share * 40) < 127 for name, share in (("a", 70), ("b", 20), ("c", 10))] == [True] * 3


def test_of_a_changed_weight_only_those_move_who_have_to() -> None:
    before, after = dealt(experiment(a=50, b=50)), dealt(experiment(a=50, b=100))
    moved = Counter((before[user], after[user]) for user in USERS if before[user] != after[user])
    assert set(moved) == {("a", "b")}


def test_the_order_of_the_variants_does_not_count() -> None:
    assert dealt(experiment(a=1, b=2)) == dealt(experiment(b=2, a=1))


def test_another_name_deals_the_users_out_anew() -> None:
    first = experiment(a=1, b=1)
    second = Experiment(name="another", variants=first.variants)
    same = sum(variant_of(first, "acme", user) == variant_of(second, "acme", user) for user in USERS)
    assert 1_873 < same < 2_127


def test_the_same_user_of_another_tenant_is_another_user() -> None:
    one = experiment(a=1, b=1)
    same = sum(variant_of(one, "acme", user) == variant_of(one, "other", user) for user in USERS)
    assert 1_873 < same < 2_127


def test_nobody_gets_a_variant_without_weight() -> None:
    assert set(dealt(experiment(a=1, b=0)).values()) == {"a"}


def test_an_experiment_has_a_name() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        Experiment(name="", variants=(Variant(name="a"),))


@pytest.mark.parametrize(
    ("variants", "words"),
    [
        pytest.param((), "above 0", id="none"),
        pytest.param((Variant(name="a", weight=0),), "above 0", id="none_with_weight"),
        pytest.param((Variant(name="a"), Variant(name="a")), "same name", id="twice"),
        pytest.param((Variant(name="a"), Variant(name="b", weight=-1)), "0 or more", id="negative"),
        pytest.param((Variant(name="a"), Variant(name="b", weight=float("inf"))), "0 or more", id="endless"),
    ],
)
def test_what_cannot_be_dealt_out_is_refused(variants: tuple[Variant, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Experiment(name="e", variants=variants)
