"""Which model answers a turn: what was asked for, else a flag, an experiment, a policy, the agent, the server.

    caller's `model` ▶ flag `model` ▶ experiment ▶ policy ▶ the agent's model ▶ LLM_MODEL

The first that names a model decides, and its word is the route's reason. After its models come the fallbacks; models
that the flag `disabled_models` names are left out of all.

Flags are checked when they are set, and may be outlived by what they name: a provider that is gone, a form of before.
One that does not hold any more is passed over, and said in the log, so that people get answers meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec
from loguru import logger

from agent.context import question
from agent.routing.fallback import Candidate
from agent.routing.policy import Facts, Policy, Rule, as_policy, rule_for
from agent.routing.route import Route
from agent.settings import AgentConfig, parse_model
from core.errors import SettingsError, TurnLimit, UserError
from core.experiments import Experiment, variant_of
from core.models import Usage
from core.ports import Pricing, RoutedProvider
from core.turns import TakenTurn

FREE_TIER: Final = "free"
Named = TypeVar("Named", Policy, Experiment)


class RoutingFlags(Protocol):
    """Flags as the router asks for them. `context` names tenant, user_id, agent, locale, channel and tier."""

    def text(self, key: str, context: Mapping[str, Any]) -> str:
        """The flag's text; empty where nobody set it."""
        ...

    def object(self, key: str, context: Mapping[str, Any]) -> Any:
        """The flag's plain value; None or empty where nobody set it."""
        ...


class NoFlags:
    """Nobody set any."""

    def text(self, key: str, context: Mapping[str, Any]) -> str:
        """Empty."""
        return ""

    def object(self, key: str, context: Mapping[str, Any]) -> Any:
        """None."""
        return None


BudgetLeft = Callable[[TakenTurn], Awaitable[int | None]]
"""What is left of the tightest budget that a turn's calls are paid from, in micro-dollars; None: there is none."""
Detect = Callable[[str], Awaitable[str | None]]
"""A text's language, as the first part of a BCP 47 tag; None: not certain."""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """What decided: the names of models, and the route's words about it."""

    models: tuple[str, ...]
    reason: str
    ceiling_usd: float | None = None
    experiment: str | None = None
    variant: str | None = None


async def _no_budget(_: TakenTurn) -> int | None:
    return None


async def _no_language(_: str) -> str | None:
    return None


class Router:
    """Chooses models. Raises SettingsError at its making where a default, an agent's policy or experiment cannot be.

    `missing`: what to do to have other providers, by their names, such as "set GEMINI_API_KEY".
    """

    def __init__(
        self,
        providers: Mapping[str, RoutedProvider],
        default: str,
        fallbacks: Sequence[str] = (),
        *,
        agents: Mapping[str, AgentConfig] | None = None,
        policies: Mapping[str, Policy] | None = None,
        flags: RoutingFlags | None = None,
        pricing: Pricing | None = None,
        budget_left: BudgetLeft = _no_budget,
        detect_language: Detect = _no_language,
        missing: Mapping[str, str] | None = None,
    ) -> None:
        self._providers, self._default, self._fallbacks = providers, default, tuple(fallbacks)
        self._policies, self._flags, self._pricing = policies or {}, flags or NoFlags(), pricing
        self._budget_left, self._detect_language = budget_left, detect_language
        self._missing = missing or {}
        self._check_settings(agents or {})

    async def __call__(self, turn: TakenTurn, agent: AgentConfig) -> Route:
        """The route of a turn. Raises UserError, and TurnLimit where no model may be used."""
        context = self._context(turn, agent)
        chosen = await self._choose(turn, agent, context)
        fallbacks = self._fallbacks_for(agent, context)
        names = self._allowed(dict.fromkeys((*chosen.models, *fallbacks)), context)
        if chosen.ceiling_usd is not None:
            names = self._within(names, chosen.ceiling_usd, agent)
        return Route(
            candidates=tuple(self.candidate(name) for name in names),
            reason=chosen.reason,
            experiment=chosen.experiment,
            variant=chosen.variant,
        )

    def candidate(self, name: str) -> Candidate:
        """The model of a name `provider:model`. Raises UserError where nobody here serves it."""
        try:
            provider_name, model = parse_model(name)
        except SettingsError as error:
            raise UserError(f"model: {error.message}") from error
        provider = self._providers.get(provider_name)
        if provider is None:
            known = ", ".join(sorted(self._providers))
            todo = self._missing.get(provider_name)
            hint = f" To have it, {todo} where the server runs." if todo is not None else ""
            raise UserError(f"model: there is no provider {provider_name!r} here; there are: {known}.{hint}")
        return Candidate(provider=provider, model=model)

    def check(self, names: Iterable[str]) -> None:
        """Raise UserError where a model is served by nobody here."""
        for name in names:
            self.candidate(name)

    # ------------------------------------------------------------ the order of who decides

    async def _choose(self, turn: TakenTurn, agent: AgentConfig, context: Mapping[str, Any]) -> Chosen:
        if turn.input.model is not None:
            return Chosen(models=(turn.input.model,), reason="caller")
        named = self._flags.text("model", context)
        if named and self._is_served("model", named):
            return Chosen(models=(named,), reason="flag:model")
        experiment = self._experiment(agent, context)
        if experiment is None:
            return await self._by_policy(turn, agent, context)
        variant = variant_of(experiment, turn.session.tenant, turn.session.user_id)
        if variant.models:
            reason = f"experiment:{experiment.name}/{variant.name}"
            chosen = Chosen(models=variant.models, reason=reason)
        else:
            chosen = await self._by_policy(turn, agent, context)
        return msgspec.structs.replace(chosen, experiment=experiment.name, variant=variant.name)

    async def _by_policy(self, turn: TakenTurn, agent: AgentConfig, context: Mapping[str, Any]) -> Chosen:
        policy = self._policy(agent, context)
        if policy is not None:
            rule = rule_for(policy, await self._facts(turn, agent, policy, context))
            if rule is not None:
                return _by_rule(policy, rule)
        if agent.model is not None:
            return Chosen(models=(agent.model,), reason="agent")
        return Chosen(models=(self._default,), reason="default")

    def _policy(self, agent: AgentConfig, context: Mapping[str, Any]) -> Policy | None:
        policy = self._flagged("policy", context, as_policy)
        if policy is not None:
            return policy
        return self._policies[agent.policy] if agent.policy is not None else None

    def _experiment(self, agent: AgentConfig, context: Mapping[str, Any]) -> Experiment | None:
        return self._flagged("experiment", context, _as_experiment) or agent.experiment

    def _fallbacks_for(self, agent: AgentConfig, context: Mapping[str, Any]) -> Sequence[str]:
        flagged = self._flags.object("fallbacks", context)
        if isinstance(flagged, list):
            return [name for name in flagged if self._is_served("fallbacks", name)]
        return self._fallbacks if agent.fallbacks is None else agent.fallbacks

    # ------------------------------------------------------------ flags that do not hold any more

    def _flagged(self, key: str, context: Mapping[str, Any], read: Callable[[Any], Named]) -> Named | None:
        value = self._flags.object(key, context)
        if not value:
            return None
        try:
            named = read(value)
            self.check(named.models)
        except (ValueError, UserError) as error:
            _pass_over(key, str(error))
            return None
        return named

    def _is_served(self, key: str, name: Any) -> bool:
        try:
            self.candidate(str(name))
        except UserError as error:
            _pass_over(key, error.message)
            return False
        return True

    # ------------------------------------------------------------ what is known of the turn

    def _context(self, turn: TakenTurn, agent: AgentConfig) -> dict[str, Any]:
        context = {
            "tenant": turn.session.tenant,
            "user_id": turn.session.user_id,
            "agent": agent.name,
            "locale": turn.input.locale or "",
            "channel": turn.input.channel,
        }
        return {**context, "tier": self._flags.text("tier", context) or FREE_TIER}

    async def _facts(self, turn: TakenTurn, agent: AgentConfig, policy: Policy, context: Mapping[str, Any]) -> Facts:
        asked = question(turn.input)
        language = None
        if policy.asks_language:
            said = (turn.input.locale or "").partition("-")[0].lower()
            language = said or await self._detect_language(asked.content)
        return Facts(
            tier=context["tier"],
            characters=len(asked.content),
            channel=turn.input.channel,
            has_tools=bool(agent.tools),
            has_images=bool(asked.images),
            language=language,
            budget_left_microusd=await self._budget_left(turn) if policy.asks_budget else None,
        )

    # ------------------------------------------------------------ what may not be used

    def _allowed(self, names: Mapping[str, None], context: Mapping[str, Any]) -> list[str]:
        disabled = self._flags.object("disabled_models", context)
        if not isinstance(disabled, list):
            disabled = []
        allowed = [name for name in names if name not in disabled]
        if not allowed:
            raise UserError("The models that could answer are switched off. Ask the operator.", code="not_found")
        return allowed

    def _within(self, names: Sequence[str], ceiling_usd: float, agent: AgentConfig) -> list[str]:
        usage = Usage(input=agent.context_tokens, output=agent.max_output_tokens or 0)
        within = [name for name in names if self._price_usd(name, usage) <= ceiling_usd]
        if not within:
            message = f"No model answers this for at most ${ceiling_usd:g} a call, which is its policy's ceiling."
            raise TurnLimit(message, code="budget_exceeded")
        return within

    def _price_usd(self, name: str, usage: Usage) -> float:
        if self._pricing is None:
            return 0.0
        provider, model = parse_model(name)
        if not self._pricing.is_known(provider, model):
            return math.inf  # nobody can say that it stays below a ceiling
        return self._pricing.cost_microusd(provider, model, usage) / 1_000_000

    def _check_settings(self, agents: Mapping[str, AgentConfig]) -> None:
        self._require("LLM_MODEL or LLM_FALLBACKS", (self._default, *self._fallbacks))
        for name, agent in agents.items():
            own = () if agent.model is None else (agent.model,)
            self._require(f"agent {name!r}", (*own, *(agent.fallbacks or ())))
            if agent.experiment is not None:
                self._require(f"agent {name!r}, experiment {agent.experiment.name!r}", agent.experiment.models)
            if agent.policy is not None:
                policy = self._policies.get(agent.policy)
                if policy is None:
                    raise SettingsError(f"agent {name!r}: there is no policy {agent.policy!r}")
                self._require(f"agent {name!r}, policy {policy.name!r}", policy.models)

    def _require(self, where: str, names: Iterable[str]) -> None:
        try:
            self.check(names)
        except UserError as error:
            raise SettingsError(f"{where}: {error.message}") from error


def _by_rule(policy: Policy, rule: Rule) -> Chosen:
    return Chosen(models=rule.models, reason=f"policy:{policy.name}/{rule.name}", ceiling_usd=rule.ceiling_usd)


def _as_experiment(value: Any) -> Experiment:
    try:
        return msgspec.convert(value, Experiment)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _pass_over(key: str, reason: str) -> None:
    logger.warning("flag.passed_over", flag=key, reason=reason)
