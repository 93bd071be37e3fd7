"""Which model answers a turn: the caller's, the agent's or the server's, and what is tried after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.run import ModelChoice
from agent.settings import AgentConfig, parse_model
from core.errors import SettingsError, UserError
from core.ports import Provider
from core.turns import TurnInput


class ModelChooser:
    """Knows the providers that this server has. Raises SettingsError where the default model's is not one.

    `missing`: what to do to have others, by their names, such as "set GEMINI_API_KEY".
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        default: str,
        fallbacks: Sequence[str],
        missing: Mapping[str, str] | None = None,
    ) -> None:
        self._providers = providers
        self._default = default
        self._fallbacks = tuple(fallbacks)
        self._missing = missing or {}
        for model in (default, *fallbacks):
            try:
                self.choice(model)
            except UserError as error:
                raise SettingsError(f"LLM_MODEL or LLM_FALLBACKS: {error.message}") from error

    def __call__(self, turn: TurnInput, agent: AgentConfig) -> Sequence[ModelChoice]:
        """The models of a turn in the order in which they are tried. Raises UserError."""
        fallbacks = self._fallbacks if agent.fallbacks is None else agent.fallbacks
        names = dict.fromkeys((turn.model or agent.model or self._default, *fallbacks))
        return [self.choice(name) for name in names]

    def choice(self, name: str) -> ModelChoice:
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
        return ModelChoice(provider=provider, model=model)
