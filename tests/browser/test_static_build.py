"""The committed script is what its sources make, the sources pass their own checks, and the fold is the server's."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.view import SessionView
from tests.browser.fake_session import FakeSession

STATIC = Path(__file__).parents[2] / "static"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
]
needs_packages = pytest.mark.skipif(
    not (STATIC / "node_modules" / "esbuild").exists(), reason="npm ci was not run in static/"
)


def _node(*arguments: str, text: str | None = None) -> str:
    assert NODE is not None
    done = subprocess.run(
        [NODE, *arguments], cwd=STATIC, input=text, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_packages
def test_building_again_gives_the_committed_script(tmp_path: Path) -> None:
    _node("build.mjs", str(tmp_path))

    assert (tmp_path / "widget.js").read_bytes() == (STATIC / "dist" / "widget.js").read_bytes()


def test_the_client_machine_passes_its_own_tests() -> None:
    _node("--test", "test/session.test.js", "test/parts.test.js")


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (STATIC / "package-lock.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", range(5))
def test_the_client_folds_a_log_to_the_view_that_the_server_has(seed: int) -> None:
    session, log = _random_conversation(random.Random(seed))
    folded = json.loads(_node("test/fold_stdin.js", text=json.dumps({"epoch": session.view.epoch, "events": log})))

    assert msgspec.convert(folded, SessionView) == session.view


def _random_conversation(chance: random.Random) -> tuple[FakeSession, list[dict[str, Any]]]:
    """A log of turns that run, call, reset, fail, are stopped and asked for again."""
    session = FakeSession("ses_1")
    last = None
    for number in range(12):
        retry = last is not None and chance.random() < 0.3
        turn = (
            session.accept_retry(last.turn_id)
            if retry and last
            else session.accept(f"Olá {number} 👋", f"cid-{number}")
        )
        if chance.random() < 0.1:
            turn.cancel()
            continue
        turn.start()
        for call in range(chance.randrange(3)):
            turn.call(f"call-{number}-{call}", title="Tool", arguments={"n": call})
            turn.called(f"call-{number}-{call}", summary="ok", result=[1, None, "é"])
        if chance.random() < 0.3:
            asked = turn.ask("asked", arguments={"note": "é"}, approver=chance.choice(["user", "operator"]))
            if number < 11 or chance.random() < 0.5:
                turn.answered(asked, approved=chance.random() < 0.5)
        for _ in range(chance.randrange(6)):
            turn.say("".join(chance.choice("aé👋\n𝕏 ") for _ in range(chance.randrange(1, 9))))
        if turn.text and chance.random() < 0.4:
            turn.cut_back(chance.randrange(len(turn.text)))
            turn.say("after")
        if number < 11:
            ends: list[Callable[[], None]] = [turn.complete, turn.fail, turn.cancel]
            chance.choice(ends)()
        last = turn
    return session, [json.loads(payload) for payload in session.log]
