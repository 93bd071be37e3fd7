"""What a vendor of models does, in its own wire format: the seam on which the conformance suite of providers stands.

One small file a vendor beside this one, which gives its double as `VENDOR` (`registry.py` finds it). A `Vendor` knows
how its server answers (`answer`) and what a request of it says (`tools_in`), so that the suite asks every provider the
same questions. What an error says need quote neither key nor prompt: the suite adds both to every message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, Protocol, get_args

from agent.providers.http import Timeouts
from core.ports import Provider
from tests.agent.chat_server import Answer

Behaviour = Literal[
    # a whole answer
    "text",  # "Hello " and "there.", finish "stop"; usage 12 in (of them 4 cached), 5 out (of them 2 reasoning, where told)
    "reasoning",  # thoughts "Let me see." first, then "Four."; the thoughts must come back with the next request, if opaque
    "reasoning_call",  # thoughts "Let me see.", then a call of market {}; the thoughts must come back with its result
    "length",  # "Hello " and cut by the token limit
    "filtered",  # the vendor's filter stopped the answer after "Hello "
    "empty",  # a finish and no text
    "calls",  # two parallel calls, in this order: sales_query {"metrics": ["revenue"]}, then market {}
    "structured",  # {"total": 4} as text
    "huge",  # 1 MiB of text in many events, all of it "ação " again and again
    "no_usage",  # "Hello " and "there.", and nothing about usage
    # not a whole answer
    "cut",  # "Hello ", then the connection closes
    "cut_call",  # a call whose arguments break off at the token limit: it must not run
    "hang",  # "Hello ", then nothing, and the connection stays
    "deaf",  # the request is read and nothing comes
    "garbage",  # status 200 and bytes that are no protocol
    "error_in_stream",  # "Hello ", then the vendor's own error event: overloaded
    # refused
    "wrong_key",
    "unknown_model",
    "rate_limited",  # 429, with two seconds to wait in the vendor's own way
    "out_of_quota",  # money
    "too_long",
    "bad_request",
    "overloaded",  # 503 or the vendor's own
    "blocked",  # the prompt was blocked
]
BEHAVIOURS: Final[tuple[Behaviour, ...]] = get_args(Behaviour)
KEY: Final = "sk-secret-canary-0123456789"
"""The API key of every double: it must never be seen again."""


class Vendor(Protocol):
    """One vendor's dialect."""

    name: str
    """The provider's name, with the dialect where there are two (`openai-responses`)."""

    def provider(self, url: str, timeouts: Timeouts | None = None) -> Provider:
        """Our provider, with KEY, asking the server at `url` (scheme, host, port, `/v1`)."""
        ...

    def answer(self, behaviour: Behaviour) -> Answer | None:
        """How the vendor's server does that; None: it has no such thing."""
        ...

    def answer_with_calls(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> Answer:
        """An answer of these calls, by the names and arguments that the vendor uses."""
        ...

    def tools_in(self, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """The tools that a request offers: name and parameters as the vendor takes them; `{}` where none are told.

        Raises AssertionError where the vendor would refuse them.
        """
        ...
