"""Chainlit: its server with a small application (applications/chainlit_app.py), its Socket.IO endpoint."""

from __future__ import annotations

import datetime as dt
import uuid
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

_TELEMETRY_OFF: Final = {"OTEL_SDK_DISABLED": "true", "TRACELOOP_TELEMETRY": "false", "DO_NOT_TRACK": "1"}
_START_S: Final = 90.0


class _Token(msgspec.Struct):
    token: str


class _Step(msgspec.Struct):
    output: str


_token = msgspec.json.Decoder(_Token)
_step = msgspec.json.Decoder(_Step)


def credentials(user: str) -> Mapping[str, object]:
    """Give what Chainlit's own client sends with its connection; the session's id is made anew, as there."""
    return {"sessionId": str(uuid.uuid4()), "clientType": "webapp", "userEnv": "{}", "chatProfile": "", "threadId": ""}


def question(user: str, text: str) -> bytes:
    """Encode a user's message as Chainlit's own client does."""
    message = {
        "id": str(uuid.uuid4()),
        "name": user,
        "type": "user_message",
        "output": text,
        "createdAt": dt.datetime.now(dt.UTC).isoformat(),
    }
    return event_packet("client_message", {"message": message, "fileReferences": []})


APPLICATION: Final = Application(
    path="/ws/socket.io/",
    credentials=credentials,
    greeting="connection_successful",
    opened_by="task_end",
    question=question,
    # The message begins with its first token in it.
    texts={
        "stream_start": lambda data: _step.decode(data).output,
        "stream_token": lambda data: _token.decode(data).token,
    },
    ends="task_end",
    cancel="stop",
)


def conversation(port: int, user: str) -> SocketIoConversation:
    """Make a client."""
    return SocketIoConversation(APPLICATION, port, user)


def start(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
    """Start it as its documents say for a server: `chainlit run --headless`."""
    port, home = free_port(), folder / "chainlit"
    home.mkdir(exist_ok=True)
    application = ROOT / "bench" / "peers" / "applications" / "chainlit_app.py"
    command = [program_of("chainlit", "chainlit"), "run", str(application), "--headless", "--host", "127.0.0.1"]
    environment = {
        **_TELEMETRY_OFF,
        "CHAINLIT_APP_ROOT": str(home),
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
        "OPENAI_API_KEY": "bench",
    }
    process = stack.enter_context(
        Process([*command, "--port", str(port)], cores=cores.server, log=home / "log", environment=environment)
    )
    process.wait_for_port(port, _START_S)
    return System(name=PEER.name, title=PEER.title, dialect=PEER.dialect, port=port, process=process)


PEER: Final = Peer(
    dialect="bench.peers.chainlit:conversation", name="chainlit", package="chainlit", title="Chainlit", start=start
)
