"""Where things are: partitions, hash tags and the few names that Python makes. `lua/base.lua` lists every key.

All of a session is in one partition, `crc32(session_id) % partitions`; a user's names are in the user's.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final
from zlib import crc32

import msgspec

from core.turns import Principal

MAIN_NAME: Final = "main"
"""The session that is meant where none is named (protocol.md, Words)."""


class Keys:
    """Names of keys and channels for a number of partitions (at least 1; all nodes must agree on it)."""

    def __init__(self, partitions: int = 1) -> None:
        if partitions < 1:
            raise ValueError(f"partitions must be at least 1, not {partitions!r}")
        self.partitions = partitions
        self._prefixes = [f"prosa:{{p{partition}}}:" for partition in range(partitions)]

    def prefix(self, partition: int) -> str:
        """The beginning of every key of a partition; its braces are the Redis Cluster hash tag."""
        return self._prefixes[partition]

    def of(self, name: str) -> int:
        """The partition of a session id or a user key."""
        return crc32(name.encode()) % self.partitions

    def session_channel(self, session_id: str) -> str:
        """The pub/sub channel of a session."""
        return f"{self.prefix(self.of(session_id))}ch:{session_id}"

    def control_channel(self, partition: int) -> str:
        """The pub/sub channel on which a partition says `ready [<turn>]`, `outbox` and `cancel <turn> <by>`."""
        return f"{self.prefix(partition)}control"

    def node_channel(self, node: str) -> str:
        """The pub/sub channel on which a node hears itself."""
        return f"{self.prefix(0)}node:{node}"

    def flags_channel(self) -> str:
        """The pub/sub channel that names the scope whose flags have changed; all flags are in partition 0."""
        return f"{self.prefix(0)}flags"


def user_key(tenant: str, user_id: str) -> str:
    """A user's name in keys: unambiguous whatever characters the two parts hold."""
    return _digest([tenant, user_id])


def cid_key(principal: Principal, cid: str) -> str:
    """A command id's name in keys, apart for each principal."""
    return _digest([principal.tenant, principal.is_service, principal.name, cid])


def _digest(parts: list[str | bool]) -> str:
    return sha256(msgspec.json.encode(parts)).hexdigest()[:40]
