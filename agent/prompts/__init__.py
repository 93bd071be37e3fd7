"""Instructions of agents, versioned: `<id>.v<version>.md` beside this file. A published version is never edited.

A file may hold the placeholders `{today}` (a date, ISO 8601) and `{language}` (the language rule).
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from pathlib import Path

from core.errors import SettingsError

_FOLDER = Path(__file__).parent
_AUTO_LANGUAGE = (
    "Answer in the language of the user's last message (most write Portuguese, some English or Spanish), "
    "whatever the language of the data and of these instructions."
)


def instructions(prompt_id: str, version: int, *, today: dt.date, language: str | None = None) -> str:
    """The text of a prompt for a given day. Raises SettingsError where there is no such prompt."""
    rule = _AUTO_LANGUAGE if language is None else f"Answer in the language with the tag {language}."
    return _read(prompt_id, version).replace("{today}", today.isoformat()).replace("{language}", rule)


def prompt_version(prompt_id: str, version: int) -> str:
    """How a prompt is named in events and on the books, such as `sales.v1`."""
    return f"{prompt_id}.v{version}"


@lru_cache(maxsize=64)
def _read(prompt_id: str, version: int) -> str:
    name = prompt_version(prompt_id, version)
    path = _FOLDER / f"{name}.md"
    if not prompt_id.replace("-", "").replace("_", "").isalnum() or not path.is_file():
        raise SettingsError(f"there are no instructions {name!r} in agent/prompts")
    return path.read_text(encoding="utf-8").strip()
