"""The files that deploy Prosa are well-formed and keep what they promise; each is read by its own checker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

TOOLS = Path(sys.executable).parent


@pytest.fixture
def compose(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "docker-compose.yml").read_text())


def test_hadolint_finds_nothing_in_the_dockerfile(root: Path):
    run = subprocess.run([TOOLS / "hadolint", root / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout) == (0, "")


def test_the_compose_file_follows_the_compose_specification(root: Path):
    command = [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", root / "docker-compose.yml"]

    run = subprocess.run(command, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout


def test_the_image_runs_as_nobody_in_particular_and_stops_on_sigterm(root: Path):
    dockerfile = (root / "Dockerfile").read_text()

    assert re.search(r"^USER \d+:\d+$", dockerfile, re.MULTILINE)
    assert "STOPSIGNAL SIGTERM" in dockerfile
    assert "--require-hashes" in dockerfile


def test_what_the_image_copies_is_what_the_ignore_file_lets_in(root: Path):
    allowed = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert {"core", "agent", "tools", "memory", "metrics", "server", "static", "requirements.txt"} <= allowed
    assert allowed.isdisjoint({".env", "data", "tests", "bench", ".git"})


def test_compose_holds_no_secret(compose: dict[str, Any]):
    environments = [service.get("environment", {}) for service in compose["services"].values()]
    sensitive = {
        value
        for environment in environments
        for name, value in environment.items()
        if re.search("PASSWORD|KEY|SECRET|DATABASE_URL", name)
    }

    assert sensitive
    assert all("${" in value for value in sensitive)


def test_only_the_proxy_is_published_and_on_loopback_by_default(compose: dict[str, Any]):
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}

    assert published == {"proxy": ["${PUBLISH:-127.0.0.1:8000}:8080"]}


def test_redis_never_evicts_and_writes_its_append_only_file(compose: dict[str, Any]):
    command = " ".join(compose["services"]["redis"]["command"])

    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes" in command


def test_nobody_starts_before_what_it_needs_is_healthy(compose: dict[str, Any]):
    conditions = {
        (name, needed): how["condition"]
        for name, service in compose["services"].items()
        for needed, how in service.get("depends_on", {}).items()
    }

    assert set(conditions.values()) == {"service_healthy"}
    assert {("api-a", "redis"), ("api-b", "redis"), ("worker", "redis"), ("proxy", "api-a"), ("proxy", "api-b")} <= set(
        conditions
    )


def test_every_image_is_pinned_to_a_version(compose: dict[str, Any], root: Path):
    images = [service["image"] for service in compose["services"].values() if "build" not in service]
    images += re.findall(r"^FROM (\S+)", (root / "Dockerfile").read_text(), re.MULTILINE)

    assert images
    assert all(re.search(r":\d+\.\d+", image) for image in images)


def test_the_nodes_of_compose_are_the_nodes_of_the_proxy(compose: dict[str, Any], root: Path):
    upstream = (root / "deploy/nginx/upstream.conf").read_text()
    web = {
        name for name, service in compose["services"].items() if service.get("environment", {}).get("ROLES") == "web"
    }

    assert set(re.findall(r"server ([a-z-]+):8000", upstream)) == web


def test_all_pins_of_the_server_are_the_same_in_the_development_lock(root: Path):
    run, development = (_pins(root / name) for name in ("requirements.txt", "requirements-dev.txt"))

    assert run
    assert run.items() <= development.items()


def _pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+(?:\[[a-z,]+\])?)==(\S+)", lock.read_text(), re.MULTILINE))
