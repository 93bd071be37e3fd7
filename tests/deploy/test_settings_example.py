"""`.env.example` is the operator's list of settings: all of them, with their real defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from server.settings import Settings

COMPOSE_ONLY = {"POSTGRES_PASSWORD", "PUBLISH"}
DEPENDS_ON_THE_MACHINE = {"NODE"}
LINE = re.compile(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)


def test_the_example_names_each_setting_and_no_other(root: Path):
    shown = set(_example(root)) - COMPOSE_ONLY

    assert shown == {name.upper() for name in Settings.model_fields}


def test_the_example_shows_the_real_defaults(root: Path):
    shown = {name: value for name, value in _example(root).items() if name not in COMPOSE_ONLY | DEPENDS_ON_THE_MACHINE}

    real = {name: _written(Settings.model_fields[name.lower()].default) for name in shown}

    assert shown == real


def test_every_variable_of_the_compose_file_is_in_the_example(root: Path):
    used = set(re.findall(r"\$\{([A-Z_]+)[:}]", (root / "docker-compose.yml").read_text()))

    assert used <= set(_example(root))


def test_the_example_holds_no_value_that_is_switched_on(root: Path):
    active = [line for line in (root / ".env.example").read_text().splitlines() if line and not line.startswith("#")]

    assert active == []


def _example(root: Path) -> dict[str, str]:
    return dict(LINE.findall((root / ".env.example").read_text()))


def _written(default: Any) -> str:
    match default:
        case None:
            return ""
        case tuple():
            return ",".join(str(part) for part in default)
        case _:
            return str(default)
