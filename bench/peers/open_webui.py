"""Open WebUI's API: its Chat Completions with a user's token, in front of the fake model."""

from __future__ import annotations

import http.client
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from bench.peers.bearer import BearerConversation
from bench.peers.environments import program_of
from bench.peers.peer import Peer
from bench.processes import Cores, Process, free_port
from bench.systems import System

_START_S: Final = 240.0
"""It brings a database up through all its migrations, and imports a machine-learning library."""

_VARIABLE: Final = "BENCH_OPEN_WEBUI_TOKEN"
"""In which the user's token travels to the processes of clients: signing in is limited to 15 times in 3 minutes."""

_ENVIRONMENT: Final = {
    "WEBUI_SECRET_KEY": "bench" * 8,
    "GLOBAL_LOG_LEVEL": "WARNING",
    "ENABLE_OLLAMA_API": "false",
    # Only the answer that was asked for: no titles, tags or embeddings of its own accord.
    "ENABLE_TITLE_GENERATION": "false",
    "ENABLE_TAGS_GENERATION": "false",
    "ENABLE_FOLLOW_UP_GENERATION": "false",
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
    "RAG_EMBEDDING_ENGINE": "openai",
    # Nothing leaves the machine.
    "OFFLINE_MODE": "true",
    "HF_HUB_OFFLINE": "1",
    "ENABLE_VERSION_UPDATE_CHECK": "false",
    "ANONYMIZED_TELEMETRY": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "SCARF_NO_ANALYTICS": "true",
    "DO_NOT_TRACK": "true",
}


class _SignedUp(msgspec.Struct):
    token: str


def conversation(port: int, user: str) -> BearerConversation:
    """Make a client. It asks as the one user there is, whose token the starting process left in the environment."""
    return BearerConversation(port, user, "/api/chat/completions", os.environ[_VARIABLE])


def start(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
    """Start it on an empty database and sign its first user up."""
    port, home = free_port(), folder / "open-webui"
    home.mkdir(exist_ok=True)
    models = {"0": {"enable": True, "model_ids": ["fake"], "connection_type": "external"}}
    environment = {
        **_ENVIRONMENT,
        "DATA_DIR": str(home),
        "OPENAI_API_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
        "OPENAI_API_KEY": "bench",
        # The fake model lists none.
        "OPENAI_API_CONFIGS": msgspec.json.encode(models).decode(),
    }
    command = [program_of("open-webui", "open-webui"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    process = stack.enter_context(
        Process(command, cores=cores.server, log=folder / "open-webui.log", environment=environment)
    )
    process.wait_for_port(port, _START_S)
    os.environ[_VARIABLE] = _sign_up(port)
    return System(name=PEER.name, title=PEER.title, dialect=PEER.dialect, port=port, process=process)


def _sign_up(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    user = {"name": "bench", "email": "bench@localhost", "password": "bench"}
    try:
        connection.request(
            "POST", "/api/v1/auths/signup", msgspec.json.encode(user), {"content-type": "application/json"}
        )
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"Open WebUI signs nobody up: status {answer.status}: {body[:200]!r}")
    return msgspec.json.decode(body, type=_SignedUp).token


PEER: Final = Peer(
    dialect="bench.peers.open_webui:conversation",
    name="open-webui",
    package="open-webui",
    title="Open WebUI's API",
    start=start,
    disk_gb=12.0,
)
