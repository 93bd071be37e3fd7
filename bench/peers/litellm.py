"""LiteLLM's proxy: OpenAI's Chat Completions in front of the fake model, one worker, a master key, no database."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from bench.peers.bearer import BearerConversation
from bench.peers.environments import program_of
from bench.peers.peer import Peer
from bench.processes import Cores, Process, free_port
from bench.systems import System

_START_S: Final = 120.0
_KEY: Final = "sk-c0ffee5e11edf00dba5eba11cab1e5ca1ab1e0ddba11deadbeef"
"""The proxy starts with no weak key and with none it would be another proxy; it guards nothing here."""

_ENVIRONMENT: Final = {
    "LITELLM_MASTER_KEY": _KEY,
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    # What it would fetch at its start comes with the package too.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
}


def conversation(port: int, user: str) -> BearerConversation:
    """Make a client."""
    return BearerConversation(port, user, "/v1/chat/completions", _KEY)


def start(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
    """Start the proxy with one model. Its configuration is JSON, which is YAML too."""
    port, home = free_port(), folder / "litellm"
    home.mkdir(exist_ok=True)
    model = {"model": "openai/fake", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "bench"}
    configuration = home / "config.yaml"
    configuration.write_bytes(msgspec.json.encode({"model_list": [{"model_name": "fake", "litellm_params": model}]}))
    command = [program_of("litellm", "litellm"), "--config", str(configuration), "--host", "127.0.0.1"]
    process = stack.enter_context(
        Process(
            [*command, "--port", str(port), "--num_workers", "1"],
            cores=cores.server,
            log=home / "log",
            environment=_ENVIRONMENT,
        )
    )
    process.wait_for_port(port, _START_S)
    return System(name=PEER.name, title=PEER.title, dialect=PEER.dialect, port=port, process=process)


PEER: Final = Peer(
    dialect="bench.peers.litellm:conversation",
    name="litellm",
    package="litellm",
    title="LiteLLM proxy",
    start=start,
    disk_gb=2.0,
)
