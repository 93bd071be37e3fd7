"""What a chaos run writes down, one JSON object a line; the checker judges nothing else.

Each process writes a file of its own; `at_ns` is CLOCK_MONOTONIC, which all processes of a machine share.
`session` is the name by which the run knows a conversation (its user's id); `canary` a word that only its answers hold.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

LEASES_RUN_OUT: Final = "bridge_leases_run_out"
"""The fault after which every delivery may be taken again."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    at_ns: int


class Plan(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="plan"):
    """The first entry of a run."""

    seed: int
    profile: str
    sessions: dict[str, str]
    """Canary by session."""
    channels: dict[str, str] = {}
    """Sessions whose answers leave by a channel that bridges serve."""
    leavers: list[str] = []
    """Sessions of users who are to be erased; who comes back has the session `<name>.again`."""
    merges: dict[str, str] = {}
    """Sessions that are to be merged, with the one in which each goes on."""


class Sent(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="sent"):
    """A device sent a command frame (also each time that it resent one, under the same cid)."""

    device: str
    """Unique over the run, such as `user-3.phone`."""
    session: str
    node: int
    connection: int
    """Counts a device's connections from 1."""
    frame: dict[str, Any]


class Received(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="received"):
    """A server frame came, in order; arrays are taken apart before."""

    device: str
    session: str
    node: int
    connection: int
    frame: dict[str, Any]


class Connected(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="connected"):
    """A device's connection stands (`up`) or is over (`code`: the close code, None: it was cut)."""

    device: str
    session: str
    node: int
    connection: int
    up: bool
    code: int | None = None


class Shown(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="shown"):
    """What a device shows at the end of the run, when all is quiet: the fold that it made of what it received."""

    device: str
    session: str
    epoch: str
    seq: int
    messages: list[dict[str, Any]]
    """As in a snapshot."""
    turn: dict[str, Any] | None = None
    queue: list[dict[str, Any]] = []


class ModelCall(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="model_call"):
    """The fake provider was called. `question` is the text of the last user message that it was sent."""

    call: int
    """Counts from 1."""
    session: str
    question: str
    """Holds the cid of the message that is answered, so that calls can be told to turns."""
    step: int
    """1 where no tool result follows the question."""
    fault: str | None = None
    """How this call goes wrong on purpose: 429, 500, hang, cut, garbage; None: it answers."""
    tool_results: list[dict[str, Any]] = []
    words: list[str] = []
    """Every canary in all that it was sent."""


class ModelSaid(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="model_said"):
    """All that the fake provider wrote for a call, when the call was over. `tokens` in order.

    The text of an answer is `<canary>-<call>-<index> ` a token, so nothing that it says is said twice.
    """

    call: int
    tokens: list[str]
    tool_calls: list[dict[str, Any]] = []
    whole: bool
    """Whether the end of the stream was written too."""
    closed_by: Literal["provider", "client"]
    """Who ended the connection first."""


class ToolRow(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="tool_row"):
    """A row that a tool of class `once` (or `idempotent`, with its key) left, read from its table at the end."""

    tool: str
    session: str
    call_id: str
    note: str


class Fault(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="fault"):
    """A fault was injected."""

    name: str
    """Its kind, such as `kill_node`; the kinds are listed in faults.py."""
    target: str
    hit_turns: int = 0
    """How many turns were running where it struck, as far as the run knows."""
    turns: list[str] = []
    """Their ids, where the run knows them."""
    ended: bool = False
    """True on the second entry of a fault that lasts: now it is over."""


class LogEvent(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="log_event"):
    """An event of a session's log as the writing script appended it: read from Redis' stream as it grows."""

    session: str
    epoch: str
    event: dict[str, Any]


class LogBase(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="log_base"):
    """The view that Redis held when a log of another epoch was seen first: the fold of the events up to its `seq`.

    Where a log begins anew it is all that the log begins with (`seq` 0), unless it was replaced meanwhile.
    """

    session: str
    epoch: str
    view: dict[str, Any]
    """A `core.view.SessionView`."""


class TurnRow(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="turn_row"):
    """A row of SQL's table of turns at the end of the run, with the number of rows that have this turn's id."""

    session: str
    turn_id: str
    outcome: str
    rows: int
    messages: list[dict[str, Any]] = []
    cost_microusd: int = 0


class BridgeFrame(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="bridge_frame"):
    """A bridge sent a frame (`by` is "bridge") or was sent one."""

    bridge: str
    connection: int
    """Counts a bridge's connections from 1."""
    by: Literal["bridge", "server"]
    frame: dict[str, Any]


class Erased(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="erased"):
    """The server said that a user is erased."""

    session: str
    session_id: str
    began_ns: int
    """When it was asked for first."""


class Remains(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="remains"):
    """What is left at the end of an erased session's words."""

    session: str
    redis: list[str]
    """Keys that hold one."""
    sql: list[str]
    """Tables of which a row holds one."""
    to_be_swept: bool
    """Whether the session is on the list of what is swept again."""


class Merged(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="merged"):
    """The server said that a session is merged."""

    session: str
    into: str
    into_id: str
    name_stands_for: str
    """The session that the user's name for the merged one led to afterwards: an id."""


class Counts(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="counts"):
    """Figures at the end: keys without an owner or TTL, records left in the outbox, turns left under leases."""

    keys: int
    keys_without_ttl: list[str]
    outbox: int
    leases: int
    ready: int


class Stopped(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="stopped"):
    """The run could not be finished as planned: why."""

    reason: str


Entry = (
    Plan
    | Sent
    | Received
    | Connected
    | Shown
    | ModelCall
    | ModelSaid
    | ToolRow
    | Fault
    | LogBase
    | LogEvent
    | TurnRow
    | BridgeFrame
    | Erased
    | Remains
    | Merged
    | Counts
    | Stopped
)
