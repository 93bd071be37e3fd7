"""What OpenAI's two APIs have in common below the dialect: address, headers, the body of an error."""

from __future__ import annotations

import os
from typing import Any, Final

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

OPENAI_URL: Final = "https://api.openai.com/v1"


def endpoint(base_url: str, path: str) -> tuple[URL, str | None]:
    """The address of `path` below `base_url`, without user and password, and these as an Authorization header.

    `base_url` as the vendors print it, ending in `/v1` or the like; a query (`?api-version=...`) stays.
    """
    url = URL(base_url)
    whole = f"{url.raw_path.rstrip('/')}/{path}"
    login = aiohttp.encode_basic_auth(url.user or "", url.password or "") if url.raw_user else None
    return url.with_user(None).with_path(whole, encoded=True, keep_query=True), login


def headers(api_key: str, login: str | None, organization: str | None, project: str | None) -> CIMultiDict[str]:
    """The headers of a call. `login` takes the key's place. Who pays: where None, what the vendor's variables say."""
    sent = CIMultiDict({"Authorization": login or f"Bearer {api_key.strip() or 'none'}"})  # who wants none is not hurt
    if organization := os.environ.get("OPENAI_ORG_ID") if organization is None else organization:
        sent["OpenAI-Organization"] = organization
    if project := os.environ.get("OPENAI_PROJECT_ID") if project is None else project:
        sent["OpenAI-Project"] = project
    return sent


def json_or_text(body: bytes) -> Any:
    """An error's body: its JSON, or its text where it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")
