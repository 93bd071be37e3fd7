"""What models this server offers, to whom they are switched off, and which one a tenant selects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from agent.routing.policy import Policy
from agent.settings import AgentConfig
from core.errors import UserError
from core.flags import Condition, FlagEdit, Rule
from core.models import Usage
from core.ports import Flags, FlagStore, Pricing
from core.turns import Principal
from core.wire.limits import user_id_problem
from server.flags import FlagAnswer, FlagService
from server.sessions import require_service

_PRICED_TOKENS: Final = 10_000
"""Prices are asked for so many tokens: enough that micro-dollars are exact, below where vendors charge more."""
_PER_MILLION: Final = 1_000_000 / _PRICED_TOKENS / 1_000_000


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars for a million tokens, by the price list of today."""

    input_usd: float
    cached_input_usd: float
    output_usd: float


class ModelOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A model that this server is set up to use."""

    model: str
    """`provider:model`."""
    used_by: tuple[str, ...]
    """`server`, `fallback`, `agent:<name>`, `agent:<name>:fallback`, `:experiment` or `:policy`, `flag`."""
    default: bool
    """Whether it answers for this tenant where nothing else is asked for."""
    available: bool
    """Whether its provider is set up here."""
    enabled: bool
    """Not switched off for this tenant by the flag `disabled_models`."""
    price: Price | None
    """None: it costs nothing, or its price is not known."""


class SelectBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/v1/models/select`: for all of the tenant, or for one user, one agent, or both."""

    model: str
    user_id: str | None = None
    agent: str | None = None


class ModelOffers:
    """See the module. `check` raises UserError for a name `provider:model` that no provider here serves."""

    def __init__(
        self,
        *,
        default: str,
        fallbacks: Sequence[str],
        agents: Mapping[str, AgentConfig],
        policies: Mapping[str, Policy],
        check: Callable[[str], Any],
        pricing: Pricing,
        flags: Flags,
        store: FlagStore,
        service: FlagService,
    ) -> None:
        self._default = default
        self._agents = agents
        self._check = check
        self._pricing = pricing
        self._flags = flags
        self._store = store
        self._service = service
        self._used_by = _used_by(default, fallbacks, agents.values(), policies)

    def all(self, principal: Principal) -> Sequence[ModelOffer]:
        """What is offered to a tenant, by name."""
        require_service(principal, "see models")
        context = {"tenant": principal.tenant}
        selected = self._flags.text("model", context)
        disabled = self._flags.object("disabled_models", context)
        used_by = dict(self._used_by)
        for model in (selected, *(self._flags.object("fallbacks", context) or ())):
            if model:
                used_by[model] = (*used_by.get(model, ()), "flag")
        return [
            ModelOffer(
                model=model,
                used_by=used_by[model],
                default=model == (selected or self._default),
                available=self._is_available(model),
                enabled=model not in disabled,
                price=self._price(model),
            )
            for model in sorted(used_by)
        ]

    async def select(self, principal: Principal, body: SelectBody) -> FlagAnswer:
        """Set the flag `model` of the principal's tenant, with its audit; the rules of others stay.

        Raises UserError for a model that is not known here (with those that are), or a user or agent that cannot be.
        """
        require_service(principal, "select a model")
        self._require_known(principal, body.model)
        when = self._conditions(body)
        await self._store.refresh()  # what another node was told a moment ago is not to be overwritten
        own = self._store.of(principal.tenant).get("model")
        value, rules, description = (None, (), "") if own is None else (own.value, own.rules, own.description)
        if when:
            rules = _with_rule(rules, Rule(when=when, value=body.model))
        else:
            value = body.model
        expected = 0 if own is None else own.version
        edit = FlagEdit(key="model", value=value, rules=rules, description=description, expected=expected)
        [flag] = await self._service.put(principal, "tenant", [edit])
        return flag

    def _require_known(self, principal: Principal, model: str) -> None:
        offered = self.all(principal)
        if any(offer.model == model and offer.available for offer in offered):
            return
        self._check(model)
        if self._price(model) is None:
            known = ", ".join(offer.model for offer in offered if offer.available)
            raise UserError(
                f"model: {model!r} is neither set up here nor on the price list; there are: {known}. "
                "PUT /api/v1/flags/model takes any name of a provider that is set up."
            )

    def _conditions(self, body: SelectBody) -> tuple[Condition, ...]:
        if body.user_id is not None and (problem := user_id_problem(body.user_id)) is not None:
            raise UserError(problem)
        if body.agent is not None and body.agent not in self._agents:
            raise UserError(f"agent: there is no such agent; there are: {', '.join(sorted(self._agents))}.")
        named = {"user_id": body.user_id, "agent": body.agent}
        return tuple(Condition(attribute=name, values=(value,)) for name, value in named.items() if value is not None)

    def _is_available(self, model: str) -> bool:
        try:
            self._check(model)
        except UserError:
            return False
        return True

    def _price(self, model: str) -> Price | None:
        provider, _, name = model.partition(":")

        def usd(usage: Usage) -> float:
            return round(self._pricing.cost_microusd(provider, name, usage) * _PER_MILLION, 6)

        price = Price(
            input_usd=usd(Usage(input=_PRICED_TOKENS)),
            cached_input_usd=usd(Usage(input=_PRICED_TOKENS, cached=_PRICED_TOKENS)),
            output_usd=usd(Usage(output=_PRICED_TOKENS)),
        )
        return price if price.input_usd or price.output_usd else None


def _used_by(
    default: str, fallbacks: Sequence[str], agents: Iterable[AgentConfig], policies: Mapping[str, Policy]
) -> dict[str, tuple[str, ...]]:
    users: dict[str, list[str]] = {default: ["server"]}
    for model in fallbacks:
        users.setdefault(model, []).append("fallback")
    for agent in agents:
        if agent.model is not None:
            users.setdefault(agent.model, []).append(f"agent:{agent.name}")
        others = {
            "fallback": agent.fallbacks or (),
            "experiment": () if agent.experiment is None else agent.experiment.models,
            "policy": () if agent.policy is None else policies[agent.policy].models,
        }
        for what, models in others.items():
            for model in models:
                users.setdefault(model, []).append(f"agent:{agent.name}:{what}")
    return {model: tuple(names) for model, names in users.items()}


def _with_rule(rules: Sequence[Rule], added: Rule) -> tuple[Rule, ...]:
    """The rules with one more; it takes the place of that with the same conditions, the more particular come first."""
    others = [rule for rule in rules if rule.when != added.when or rule.percent < 100]
    place = next((index for index, rule in enumerate(others) if _rank(rule) < _rank(added)), len(others))
    return (*others[:place], added, *others[place:])


def _rank(rule: Rule) -> int:
    """How particular a selection is: user and agent 3, user 2, agent 1; 0 for rules of another making."""
    ranks = {"user_id": 2, "agent": 1}
    if rule.percent < 100 or any(it.attribute not in ranks or it.operator != "equals" for it in rule.when):
        return 0
    return sum(ranks[condition.attribute] for condition in rule.when)
