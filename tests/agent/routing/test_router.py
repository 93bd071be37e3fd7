"""Which model answers: the order of who decides, and the rules of policies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.providers.scripted import ScriptedProvider
from agent.routing.policy import Facts, Policy, Rule, When, as_policy, holds, load_policies
from agent.routing.router import Router
from agent.settings import AgentConfig, PromptRef
from core.errors import SettingsError, TurnLimit, UserError
from core.experiments import Experiment, Variant
from core.messages import Part
from core.models import Usage
from core.turns import TakenTurn
from tests.agent.agent_support import taken

PROVIDERS = {name: ScriptedProvider([], name=name) for name in ("scripted", "offline", "paid", "local")}
EXPERIMENT = Experiment(name="e", variants=(Variant(name="only", models=("paid:arm",)),))
POLICY = Policy(name="p", rules=(Rule(name="short", models=("local:small",), when=When(max_characters=20)),))
ROOT = Path(__file__).parents[3]


class Flags:
    """Flags as a test sets them; `{user}=value` counts for one user."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def text(self, key: str, context: Mapping[str, Any]) -> str:
        value = self._values.get(key, "")
        return value.get(context["user_id"], "") if isinstance(value, dict) else value

    def object(self, key: str, context: Mapping[str, Any]) -> Any:
        return self._values.get(key)


class PriceList:
    """Paid models cost a dollar for each million tokens."""

    def cost_microusd(self, provider: str, model: str, usage: Usage) -> int:
        return usage.input + usage.output if provider == "paid" else 0

    def is_known(self, provider: str, model: str) -> bool:
        return model != "unknown"


def agent(**changes: Any) -> AgentConfig:
    values: dict[str, Any] = {"name": "sales", "title": "Sales", "instructions": PromptRef(id="sales", version=1)}
    return AgentConfig(**(values | changes))


def router(**options: Any) -> Router:
    return Router(PROVIDERS, "scripted:default", ["offline:spare"], **options)


async def names(route_by: Router, of: AgentConfig, **turn: Any) -> tuple[list[str], str]:
    user_id = turn.pop("user_id", "ana")
    asked = taken(**turn)
    asked = msgspec.structs.replace(asked, session=msgspec.structs.replace(asked.session, user_id=user_id))
    route = await route_by(asked, of)
    return [f"{one.provider.name}:{one.model}" for one in route.candidates], route.reason


@pytest.mark.parametrize(
    ("asked", "own", "flags", "experiment", "policy", "expected", "reason"),
    [
        pytest.param(None, None, {}, None, None, "scripted:default", "default", id="the_servers"),
        pytest.param(None, "paid:own", {}, None, None, "paid:own", "agent", id="the_agents_before_the_servers"),
        pytest.param(None, "paid:own", {}, None, "p", "local:small", "policy:p/short", id="a_policy_before_the_agent"),
        pytest.param(
            None, "paid:own", {}, EXPERIMENT, "p", "paid:arm", "experiment:e/only", id="an_experiment_before_a_policy"
        ),
        pytest.param(
            None, None, {"model": "paid:now"}, EXPERIMENT, "p", "paid:now", "flag:model", id="a_flag_before_these"
        ),
        pytest.param(
            "paid:asked",
            None,
            {"model": "paid:now"},
            EXPERIMENT,
            "p",
            "paid:asked",
            "caller",
            id="the_caller_before_all",
        ),
        pytest.param(
            None,
            None,
            {"policy": {"name": "f", "rules": [{"name": "r", "models": ["paid:x"]}]}},
            None,
            "p",
            "paid:x",
            "policy:f/r",
            id="a_flags_policy_before_the_agents",
        ),
        pytest.param(
            None,
            None,
            {"experiment": {"name": "g", "variants": [{"name": "v", "models": ["paid:y"]}]}},
            EXPERIMENT,
            None,
            "paid:y",
            "experiment:g/v",
            id="a_flags_experiment_before_the_agents",
        ),
    ],
)
async def test_the_first_that_names_a_model_decides(
    asked: str | None, own: str | None, flags: Any, experiment: Any, policy: str | None, expected: str, reason: str
) -> None:
    route_by = router(flags=Flags(**flags), policies={"p": POLICY})
    of = agent(model=own, experiment=experiment, policy=policy)
    assert await names(route_by, of, model=asked) == ([expected, "offline:spare"], reason)


async def test_none_is_tried_twice_and_an_agent_may_have_no_fallbacks() -> None:
    assert (await names(router(), agent(model="offline:spare")))[0] == ["offline:spare"]
    assert (await names(router(), agent(fallbacks=())))[0] == ["scripted:default"]


async def test_fallbacks_may_be_set_while_it_runs() -> None:
    flags = Flags(fallbacks=["local:one", "paid:two"])
    assert (await names(router(flags=flags), agent()))[0] == ["scripted:default", "local:one", "paid:two"]


@pytest.mark.parametrize(
    ("flag", "expected"), [([], []), ("local:one", ["offline:spare"])], ids=["none_at_all", "no_list"]
)
async def test_an_empty_list_of_fallbacks_is_none_and_a_word_is_no_list(flag: Any, expected: list[str]) -> None:
    assert (await names(router(flags=Flags(fallbacks=flag)), agent()))[0] == ["scripted:default", *expected]


async def test_a_variant_without_models_leaves_the_choice_and_is_an_exposure_all_the_same() -> None:
    control = Experiment(name="e", variants=(Variant(name="control"),))
    route = await router()(taken(), agent(experiment=control))
    assert (route.reason, route.experiment, route.variant) == ("default", "e", "control")


async def test_a_model_that_is_switched_off_is_left_out() -> None:
    flags = Flags(disabled_models=["scripted:default"])
    assert (await names(router(flags=flags), agent()))[0] == ["offline:spare"]


async def test_where_all_are_switched_off_the_turn_says_so() -> None:
    with pytest.raises(UserError, match="switched off"):
        await names(router(flags=Flags(disabled_models=["scripted:default", "offline:spare"])), agent())


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param({"model": "nobody:x"}, id="a_model_whose_provider_has_gone"),
        pytest.param({"model": "no-model"}, id="a_model_that_is_none"),
        pytest.param({"policy": {"name": "f", "rules": [{"name": "r"}]}}, id="a_policy_of_another_form"),
        pytest.param({"policy": {"name": "f", "rules": [{"name": "r", "models": []}]}}, id="a_policy_without_models"),
        pytest.param({"policy": {"name": "f", "rules": [{"name": "r", "models": ["nobody:x"]}]}}, id="its_model"),
        pytest.param({"policy": ["x"]}, id="a_list_for_a_policy"),
        pytest.param({"experiment": {"name": "g", "variants": [], "x": 1}}, id="an_experiment_of_another_form"),
        pytest.param({"experiment": {"name": "g", "variants": []}}, id="an_experiment_without_variants"),
        pytest.param({"experiment": {"name": "g", "variants": [{"name": "v", "models": ["nobody:x"]}]}}, id="its_arm"),
        pytest.param({"fallbacks": ["nobody:x", 3, {}, "local:small"]}, id="fallbacks_of_which_one_is_left"),
        pytest.param({"disabled_models": 3}, id="models_switched_off_by_no_list"),
        pytest.param({"disabled_models": "local:small"}, id="models_switched_off_by_a_word"),
    ],
)
async def test_a_flag_that_does_not_hold_any_more_is_passed_over(flags: Any) -> None:
    route_by = router(flags=Flags(**flags), policies={"p": POLICY})
    of = agent(policy="p", fallbacks=("local:small",))
    assert await names(route_by, of) == (["local:small"], "policy:p/short")


@pytest.mark.parametrize("name", ["gpt", "nobody:x", ":", "scripted:"])
def test_a_model_that_nobody_serves_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="model"):
        router().candidate(name)


@pytest.mark.parametrize(
    ("default", "of", "words"),
    [
        pytest.param("nobody:x", {}, "LLM_MODEL", id="the_default"),
        pytest.param("scripted:x", {"model": "nobody:x"}, "agent 'sales': model", id="the_agents_model"),
        pytest.param("scripted:x", {"fallbacks": ("nobody:x",)}, "agent 'sales': model", id="the_agents_fallback"),
        pytest.param("scripted:x", {"policy": "missing"}, "no policy 'missing'", id="a_policy_that_is_not_there"),
        pytest.param("scripted:x", {"policy": "bad"}, "policy 'bad': model", id="a_policys_model"),
        pytest.param(
            "scripted:x",
            {"experiment": Experiment(name="e", variants=(Variant(name="v", models=("nobody:x",)),))},
            "experiment 'e': model",
            id="an_experiments_model",
        ),
    ],
)
def test_what_nobody_serves_is_the_operators_mistake_and_said_at_the_start(default: str, of: Any, words: str) -> None:
    bad = Policy(name="bad", rules=(Rule(name="r", models=("nobody:x",)),))
    with pytest.raises(SettingsError, match=words):
        Router(PROVIDERS, default, agents={"sales": agent(**of)}, policies={"bad": bad})


# ---------------------------------------------------------------- policies

FACTS = Facts(tier="free", characters=50, channel="web", has_tools=True, language="pt")


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        pytest.param({}, True, id="no_condition"),
        pytest.param({"tiers": ["free", "trial"]}, True, id="one_of_the_tiers"),
        pytest.param({"tiers": ["premium"]}, False, id="none_of_the_tiers"),
        pytest.param({"languages": ["pt"]}, True, id="the_language"),
        pytest.param({"languages": ["en"]}, False, id="another_language"),
        pytest.param({"channels": ["whatsapp"]}, False, id="another_channel"),
        pytest.param({"min_characters": 50, "max_characters": 50}, True, id="bounds_are_inclusive"),
        pytest.param({"min_characters": 51}, False, id="too_short"),
        pytest.param({"max_characters": 49}, False, id="too_long"),
        pytest.param({"tools": True}, True, id="tools"),
        pytest.param({"tools": False}, False, id="no_tools"),
        pytest.param({"images": True}, False, id="pictures"),
        pytest.param({"budget_left_below_usd": 1.0}, False, id="no_budget_is_never_low"),
        pytest.param({"tiers": ["free"], "languages": ["en"]}, False, id="all_must_hold"),
    ],
)
def test_conditions(when: dict[str, Any], expected: bool) -> None:
    assert holds(msgspec.convert(when, When), FACTS) is expected


@pytest.mark.parametrize(("left", "expected"), [(999_999, True), (1_000_000, False), (0, True)])
def test_a_budget_that_runs_low(left: int, expected: bool) -> None:
    facts = msgspec.structs.replace(FACTS, budget_left_microusd=left)
    assert holds(When(budget_left_below_usd=1.0), facts) is expected


@pytest.fixture
def seed() -> Router:
    """The example that the repository ships, with flags that know one premium user."""
    providers = {name: ScriptedProvider([], name=name) for name in ("openai", "google", "ollama")}
    policies = load_policies(ROOT / "agents" / "policies")
    return Router(providers, "openai:default", flags=Flags(tier={"rui": "premium"}), policies=policies)


@pytest.mark.parametrize(
    ("user", "content", "expected", "reason"),
    [
        pytest.param("ana", "oi", "ollama:llama3.2", "policy:seed/short", id="short"),
        pytest.param("ana", "x" * 121, "ollama:llama3.2", "policy:seed/free", id="free"),
        pytest.param("rui", "x" * 121, "openai:gpt-5-mini", "policy:seed/premium", id="premium"),
    ],
)
async def test_the_example_sends_premium_users_to_the_paid_model(
    seed: Router, user: str, content: str, expected: str, reason: str
) -> None:
    chosen, why = await names(seed, agent(policy="seed"), user_id=user, content=content)
    assert (chosen[0], why) == (expected, reason)


async def test_the_language_is_what_the_client_said_else_what_the_text_reads_as() -> None:
    rules = (Rule(name="es", models=("local:es",), when=When(languages=("es",))),)

    async def detect(text: str) -> str | None:
        return "es"

    route_by = router(policies={"l": Policy(name="l", rules=rules)}, detect_language=detect)
    assert (await names(route_by, agent(policy="l"), locale="es-MX"))[1] == "policy:l/es"
    assert (await names(route_by, agent(policy="l"), locale="pt-BR"))[1] == "default"
    assert (await names(route_by, agent(policy="l")))[1] == "policy:l/es"


async def test_a_picture_may_choose_the_model() -> None:
    rules = (Rule(name="sees", models=("paid:sees",), when=When(images=True)),)
    route_by = router(policies={"i": Policy(name="i", rules=rules)})
    picture = (Part(type="text", text="what is it?"), Part(type="image", url="https://x.test/a.png"))
    assert (await names(route_by, agent(policy="i"), content=picture))[1] == "policy:i/sees"


async def test_models_over_the_ceiling_are_passed_over() -> None:
    rules = (Rule(name="r", models=("paid:dear", "local:free"), ceiling_usd=0.001),)
    route_by = router(policies={"c": Policy(name="c", rules=rules)}, pricing=PriceList())
    assert (await names(route_by, agent(policy="c")))[0] == ["local:free", "offline:spare"]


async def test_a_model_whose_price_nobody_knows_is_under_no_ceiling() -> None:
    rules = (Rule(name="r", models=("scripted:unknown", "local:free"), ceiling_usd=100.0),)
    route_by = router(policies={"c": Policy(name="c", rules=rules)}, pricing=PriceList())
    assert (await names(route_by, agent(policy="c")))[0] == ["local:free", "offline:spare"]


async def test_where_every_model_is_over_the_ceiling_none_is_called() -> None:
    rules = (Rule(name="r", models=("paid:dear",), ceiling_usd=0.001),)
    route_by = router(policies={"c": Policy(name="c", rules=rules)}, pricing=PriceList())
    with pytest.raises(TurnLimit, match="ceiling") as raised:
        await names(route_by, agent(policy="c", fallbacks=()))
    assert raised.value.code == "budget_exceeded"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param({"name": "p", "rules": [{"name": "r", "models": []}]}, "names no model", id="no_model"),
        pytest.param({"name": "p", "rules": [{"name": "r"}]}, "models", id="no_models_at_all"),
        pytest.param({"name": "p", "rules": [], "x": 1}, "x", id="an_unknown_field"),
        pytest.param([], "object", id="no_object"),
        pytest.param(
            {"name": "p", "rules": [{"name": "r", "models": ["a:b"], "ceiling_usd": -1}]}, "ceiling", id="below_nothing"
        ),
        pytest.param(
            {"name": "p", "rules": [{"name": "r", "models": ["a:b"], "ceiling_usd": math.nan}]}, "ceiling", id="nan"
        ),
    ],
)
def test_a_policy_that_is_none_is_refused_with_what_is_wrong(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        as_policy(value)


def test_a_broken_policy_file_is_the_operators_mistake(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\nrules: 3\n")
    with pytest.raises(SettingsError, match=r"policies/bad\.yaml"):
        load_policies(tmp_path)


def test_a_policys_file_that_cannot_be_read_too(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").mkdir()
    with pytest.raises(SettingsError, match=r"policies/bad\.yaml: it cannot be read"):
        load_policies(tmp_path)


@pytest.mark.parametrize(("ceiling", "expected"), [(0.0015, "paid:dear"), (0.001499, "local:free")])
async def test_a_call_costs_its_context_and_all_its_output_and_may_cost_just_the_ceiling(
    ceiling: float, expected: str
) -> None:
    rules = (Rule(name="r", models=("paid:dear", "local:free"), ceiling_usd=ceiling),)
    route_by = router(policies={"c": Policy(name="c", rules=rules)}, pricing=PriceList())
    of = agent(policy="c", context_tokens=1_000, max_output_tokens=500)
    assert (await names(route_by, of))[0][0] == expected


async def test_an_agent_without_tools_and_a_budget_that_runs_low_may_choose_the_model() -> None:
    rules = (
        Rule(name="poor", models=("local:poor",), when=When(budget_left_below_usd=1.0)),
        Rule(name="plain", models=("local:plain",), when=When(tools=False)),
    )

    async def left(_: TakenTurn) -> int | None:
        return 999_999

    policies = {"b": Policy(name="b", rules=rules)}
    assert (await names(router(policies=policies), agent(policy="b", tools=())))[1] == "policy:b/plain"
    assert (await names(router(policies=policies), agent(policy="b", tools=("look",))))[1] == "default"
    assert (await names(router(policies=policies, budget_left=left), agent(policy="b")))[1] == "policy:b/poor"


async def test_nobody_is_asked_for_a_budget_or_a_language_that_no_rule_names() -> None:
    async def never(_: Any) -> Any:
        raise AssertionError("nobody wants to know")

    route_by = router(policies={"p": POLICY}, budget_left=never, detect_language=never)
    assert (await names(route_by, agent(policy="p")))[1] == "policy:p/short"


async def test_flags_are_told_whose_turn_it_is() -> None:
    contexts: list[Mapping[str, Any]] = []

    class Listening(Flags):
        def object(self, key: str, context: Mapping[str, Any]) -> Any:
            contexts.append(context)
            return super().object(key, context)

    await names(router(flags=Listening(tier={"rui": "premium"})), agent(), user_id="rui", locale="pt-BR")
    expected = {"tenant": "default", "user_id": "rui", "agent": "sales", "locale": "pt-BR", "channel": "web"}
    assert contexts[0] == {**expected, "tier": "premium"}


def test_a_policys_file_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("name: two\nrules: []\n")
    with pytest.raises(SettingsError, match="must agree"):
        load_policies(tmp_path)
