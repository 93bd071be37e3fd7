"""What the tests of the deployment files share: the repository's folder, programs of the system, free ports."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def nginx_program() -> str:
    return find_program("nginx")


@pytest.fixture(scope="session")
def redis_program() -> str:
    return find_program("redis-server")


def find_program(name: str) -> str:
    """The path of a program of the system; the test is skipped where there is none."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed: `make test` installs it where it may, else `apt install {name}`")
    return found


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
