"""nginx accepts the shipped configuration, and it says what long-lived connections need."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import free_port
from tests.deploy.proxy import write_configuration


@pytest.mark.system
def test_nginx_accepts_the_configuration(nginx_program: str, root: Path, tmp_path: Path):
    main = write_configuration(root / "deploy/nginx", tmp_path, port=free_port(), nodes=[free_port(), free_port()])

    run = subprocess.run([nginx_program, "-t", "-c", main], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    assert "test is successful" in run.stderr


def test_silence_is_borne_longer_than_two_heartbeats(root: Path):
    shared = (root / "deploy/nginx/proxy.conf").read_text()

    assert re.findall(r"proxy_(?:read|send)_timeout (\d+)s", shared) == ["75", "75"]


@pytest.mark.parametrize(
    ("path", "unbuffered"),
    [
        pytest.param("/chat/stream", True, id="chat_as_events"),
        pytest.param("/v1/chat/completions", True, id="openai_dialect"),
        pytest.param("/api/v1/sessions/ses_1/events", True, id="session_events"),
        pytest.param("/api/v1/sessions/ses_1/commands", False, id="commands"),
        pytest.param("/chat", False, id="chat"),
    ],
)
def test_streams_are_not_buffered(root: Path, path: str, unbuffered: bool):
    site = (root / "deploy/nginx/site.conf").read_text()
    pattern, body = re.findall(r"location ~ (\S+) \{(.*?)\}", site, re.DOTALL)[0]

    assert "proxy_buffering off" in body
    assert (re.match(pattern, path) is not None) is unbuffered


def test_the_numbers_stay_inside(root: Path):
    site = (root / "deploy/nginx/site.conf").read_text()

    assert re.search(r"location = /metrics \{\s+return 404;\s+\}", site)
