"""The client of servers that speak OpenAI's Chat Completions and want a bearer token of their own."""

from __future__ import annotations

from bench.clients.http import HttpConnection
from bench.clients.streams import StreamConversation, openai_body, openai_text


class BearerConversation(StreamConversation):
    """A conversation at `path`, with `token` in each request."""

    def __init__(self, port: int, user: str, path: str, token: str) -> None:
        super().__init__(port, user, path, openai_body, openai_text)
        self._connection = HttpConnection(self._take, bearer=token)
