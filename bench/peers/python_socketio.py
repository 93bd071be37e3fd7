"""python-socketio with its Redis manager on a Valkey: a small application (applications/socketio_app.py) on uvicorn."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from bench.clients.socketio import Application, SocketIoConversation, event_packet
from bench.peers.environments import program_of
from bench.peers.peer import Peer
from bench.processes import ROOT, Cores, Process, free_port
from bench.systems import System
from bench.valkey import start_valkey

_START_S: Final = 60.0


class _Token(msgspec.Struct):
    text: str


_token = msgspec.json.Decoder(_Token)


def credentials(user: str) -> Mapping[str, object]:
    """Give what the application wants to know of who connects."""
    return {"user": user}


def question(user: str, text: str) -> bytes:
    """Encode a question for the application."""
    return event_packet("ask", {"user": user, "text": text})


APPLICATION: Final = Application(
    path="/socket.io/",
    credentials=credentials,
    question=question,
    texts={"token": lambda data: _token.decode(data).text},
    ends="done",
    cancel="stop",
    fails="failed",
)


def conversation(port: int, user: str) -> SocketIoConversation:
    """Make a client."""
    return SocketIoConversation(APPLICATION, port, user)


def start(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
    """Start a Valkey and the application beside it."""
    home = folder / "python-socketio"
    home.mkdir(exist_ok=True)
    redis = start_valkey(stack, cores, folder, "python-socketio")
    port = free_port()
    application = ROOT / "bench" / "peers" / "applications" / "socketio_app.py"
    command = [program_of("python-socketio", "python"), str(application), "--port", str(port), "--redis", redis.url]
    environment = {"OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1", "OPENAI_API_KEY": "bench"}
    process = stack.enter_context(Process(command, cores=cores.server, log=home / "log", environment=environment))
    process.wait_for_port(port, _START_S)
    return System(name=PEER.name, title=PEER.title, dialect=PEER.dialect, port=port, process=process, redis=redis)


PEER: Final = Peer(
    dialect="bench.peers.python_socketio:conversation",
    name="python-socketio",
    package="python-socketio",
    title="python-socketio, Redis manager",
    start=start,
)
