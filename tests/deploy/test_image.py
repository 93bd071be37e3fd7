"""The image without Docker: the files that `.dockerignore` lets in are enough to run, and its health check works."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.deploy.conftest import free_port
from tests.deploy.topology import API_KEY, AUTHORIZATION, running, wait_for


@dataclass(frozen=True, kw_only=True)
class Container:
    """A server that runs on the image's files alone."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path


@pytest.fixture
def container(root: Path, tmp_path: Path) -> Iterator[Container]:
    files = tmp_path / "app"
    for line in (root / ".dockerignore").read_text().splitlines():
        copy(root, files, line)
    port, log = free_port(), tmp_path / "server.log"
    settings = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATA_DIR": str(tmp_path / "data"),
        "REDIS_URL": "",
        "BOOTSTRAP_API_KEYS": f"default={API_KEY}",
        "LLM_MODEL": "offline:offline-demo",
    }
    with running([sys.executable, "-m", "server"], log, settings, files) as process:
        wait_for(f"http://127.0.0.1:{port}/ready", process, log)
        yield Container(process=process, port=port, log=log)


def copy(root: Path, files: Path, line: str) -> None:
    """Copy what one line of the ignore file lets in."""
    source = root / line.removeprefix("!")
    if not line.startswith("!") or not source.exists():
        return
    if source.is_dir():
        shutil.copytree(source, files / source.name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    else:
        files.mkdir(exist_ok=True)
        shutil.copy(source, files / source.name)


def test_the_image_holds_all_that_an_answer_needs(container: Container):
    question = {"user_id": "ana", "message": "Quais foram as vendas do mês passado?"}

    answer = httpx2.post(
        f"http://127.0.0.1:{container.port}/chat", json=question, headers=AUTHORIZATION, timeout=30, trust_env=False
    )

    assert answer.status_code == 200, answer.text
    assert "938.943" in answer.json()["response"]


def test_the_health_check_of_the_image_succeeds_while_the_server_runs_and_fails_after(root: Path, container: Container):
    check = json.loads(re.findall(r"^    CMD (\[.*\])$", (root / "Dockerfile").read_text(), re.MULTILINE)[0])
    command = [sys.executable, *check[1:]]
    environment = {"PORT": str(container.port)}

    alive = subprocess.run(command, env=environment, capture_output=True, check=False)
    container.process.terminate()
    container.process.wait(20)
    dead = subprocess.run(command, env=environment, capture_output=True, check=False)

    assert (alive.returncode, dead.returncode) == (0, 1)


def test_sigterm_ends_the_server_in_order(container: Container):
    container.process.terminate()

    assert container.process.wait(20) == 0, container.log.read_text()
