"""What a message may hold: words, and for agents that see them pictures."""

from __future__ import annotations

import re
from typing import Final

from core.errors import UserError
from core.messages import Content, Part
from core.wire.limits import content_problem

MOST_IMAGES: Final = 8
_IMAGE_URL: Final = re.compile(r"https://[^\s/]+\S*|data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")
"""The four kinds are what OpenAI, Anthropic and Gemini all take. Nothing is fetched here: the vendor does."""


def check_content(content: Content, *, images: bool) -> None:
    """Raise UserError for what cannot be answered. `images`: the agent sees pictures."""
    if (problem := content_problem(content)) is not None:
        raise UserError(problem)
    if isinstance(content, str):
        return
    seen = 0
    for index, part in enumerate(content):
        if part.type == "text":
            continue
        if part.type != "image" or not images:
            kinds = "'text' and 'image'" if images else "'text'"
            raise UserError(f"content[{index}]: this agent takes parts of type {kinds}.")
        _check_image(part, index)
        seen += 1
    if seen > MOST_IMAGES:
        raise UserError(f"content: at most {MOST_IMAGES} pictures a message, got {seen}.")


def _check_image(part: Part, index: int) -> None:
    if part.url is None or _IMAGE_URL.fullmatch(part.url) is None:
        wanted = "an https: URL, or a data: URL of image/png, image/jpeg, image/gif or image/webp in base64"
        raise UserError(f"content[{index}].url: {wanted} is wanted.")
