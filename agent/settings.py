"""Agents as configuration: `agents/*.yaml` into `AgentConfig`, every mistake said in one line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import yaml

from agent.prompts import instructions
from core.errors import SettingsError
from core.experiments import Experiment
from core.models import ToolSpec
from core.turns import Approver, Limits

LONGEST_APPROVAL_S: Final = 1_209_600
"""14 days: a session and its turns are kept for 30, and a parked one must be there when its time is over."""

LONGEST_CACHED_S: Final = 604_800
"""7 days."""

Reveal = Literal["title", "summary", "full"]
"""What events show of the work: tools' titles only; also summaries, model and cost; also arguments and results."""


class PromptRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which instructions: the file `agent/prompts/<id>.v<version>.md`."""

    id: str
    version: int


class SemanticSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether an answer is also given to a question in other words, where the guard (`semantic/guard.py`) has no doubt.

    The server needs EMBEDDINGS_MODEL for it.
    """

    threshold: float
    """How near the questions must be: the cosine of their vectors, above 0.5, at most 1."""


class CacheSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether an agent's answers are given again.

    They are where all that they rest on is the same (the whole request, the tools' data, whose question it is) and
    every tool that they used is cacheable.
    """

    ttl_s: float = 3_600.0
    """For how long, in seconds."""
    public: bool = False
    """An answer to one user may be given to every user of the tenant: nothing in it is about who asked."""
    semantic: SemanticSettings | None = None
    """None: only the same question is answered again."""


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One agent."""

    name: str
    """The id that clients name: 1-64 of `a-z 0-9 _ -`."""
    title: str
    """What people see."""
    instructions: PromptRef
    model: str | None = None
    """`provider:model`; None: the server's `LLM_MODEL`."""
    fallbacks: tuple[str, ...] | None = None
    """`provider:model`s tried in order where the first fails; None: the server's `LLM_FALLBACKS`."""
    policy: str | None = None
    """A file of `policies/` beside the agents, whose rules choose the model; None: `model` answers."""
    experiment: Experiment | None = None
    """Variants of the model, by user (core/experiments.py); the flag `experiment` wins over it."""
    tools: tuple[str, ...] = ()
    """Names of the tools that it may call; a name ending in `*` stands for all that begin so."""
    approvals: dict[str, Approver] = {}
    """Tools that run only after somebody's yes, by name, and whose: `user` or `operator`."""
    approval_timeout_s: float = 86_400.0
    """How long that yes is waited for, in seconds (default: a day, at most 14); then the call is refused and the turn
    goes on."""
    images: bool = False
    """Whether its models see pictures; where not, messages with pictures are refused."""
    limits: Limits = Limits()
    cache: CacheSettings | None = None
    """None: every question is answered anew."""
    language: str | None = None
    """BCP 47 of the answers; None: the language of the user's message."""
    starters: dict[str, tuple[str, ...]] = {}
    """Questions to begin with, by language."""
    reveal: Reveal = "summary"
    context_tokens: int = 12_000
    """The window: tokens of instructions, history and question that go to the model; older turns are left out."""
    max_output_tokens: int | None = 4_000
    """Tokens of one answer; None: the provider's own limit."""
    temperature: float | None = None
    """None: the provider's default."""


def parse_agent(text: str, *, source: str) -> AgentConfig:
    """Read one agent. Raises SettingsError that names `source` and the field."""
    try:
        data: Any = yaml.safe_load(text)
        agent = msgspec.convert(data, AgentConfig)
    except yaml.YAMLError as error:
        raise SettingsError(f"{source}: not YAML: {_one_line(str(error))}") from error
    except msgspec.ValidationError as error:
        raise SettingsError(f"{source}: {error}") from error
    instructions(agent.instructions.id, agent.instructions.version, today=dt.date.min)  # there, or said at the start
    if agent.limits.steps < 1:
        raise SettingsError(f"{source}: limits.steps is {agent.limits.steps}, at least 1 is wanted")
    if not 1 <= agent.approval_timeout_s <= LONGEST_APPROVAL_S:
        wanted = f"1 to {LONGEST_APPROVAL_S} is wanted"
        raise SettingsError(f"{source}: approval_timeout_s is {agent.approval_timeout_s:g}, {wanted}")
    if agent.cache is not None and not 1 <= agent.cache.ttl_s <= LONGEST_CACHED_S:
        raise SettingsError(f"{source}: cache.ttl_s is {agent.cache.ttl_s:g}, 1 to {LONGEST_CACHED_S} is wanted")
    semantic = agent.cache.semantic if agent.cache is not None else None
    if semantic is not None and not 0.5 < semantic.threshold <= 1:
        wanted = "more than 0.5 and at most 1 is wanted"
        raise SettingsError(f"{source}: cache.semantic.threshold is {semantic.threshold:g}, {wanted}")
    for name in agent.approvals:
        if not _may_call(agent, name):
            raise SettingsError(f"{source}: approvals names {name!r}, which is none of its tools")
    return agent


def _may_call(agent: AgentConfig, name: str) -> bool:
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in agent.tools)


def allowed_tools(agent: AgentConfig, specs: Iterable[ToolSpec]) -> dict[str, ToolSpec]:
    """The tools that the agent may call, by name, in the order of `specs`."""
    return {spec.name: spec for spec in specs if _may_call(agent, spec.name)}


def load_agents(folder: Path) -> dict[str, AgentConfig]:
    """Read `*.yaml` of a folder, by name. Raises SettingsError: one is wrong, a name is there twice, or none is."""
    agents: dict[str, AgentConfig] = {}
    for path in sorted(folder.glob("*.yaml")):
        agent = parse_agent(_text_of(path), source=path.name)
        if agent.name in agents:
            raise SettingsError(f"{path.name}: another file has an agent named {agent.name!r} already")
        agents[agent.name] = agent
    if not agents:
        raise SettingsError(f"no agent (*.yaml) in the folder {folder.name!r}")
    return agents


def _text_of(path: Path) -> str:
    """A file's text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path.name}: it is not UTF-8") from error
    except OSError as error:
        raise SettingsError(f"{path.name}: it cannot be read ({error.strerror})") from error


def parse_model(text: str) -> tuple[str, str]:
    """Split `provider:model` (a model's own name may hold colons). Raises SettingsError for anything else."""
    provider, colon, model = text.strip().partition(":")
    if not (provider and colon and model):
        raise SettingsError(f"the model {text!r} is not written as provider:model, such as openai:gpt-5-mini")
    return provider, model


def _one_line(text: str) -> str:
    return " ".join(text.split())
