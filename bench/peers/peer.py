"""What there is to say about a peer before it runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from bench.processes import Cores
from bench.systems import Starter, System


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A peer: its environment's name, and how it is started over an upstream's port."""

    name: str
    """Also of its environment's folder and of its file of requirements."""
    package: str
    """The package whose version is told."""
    title: str
    dialect: str
    """`package.module:make` of its clients."""
    start: Callable[[ExitStack, int, Cores, Path], System]
    """Raises RuntimeError where it does not start. Its processes end with the stack."""
    disk_gb: float = 1.0
    """What its environment takes, with room for the download."""

    @property
    def starter(self) -> Starter:
        """The peer as a system among others."""
        return Starter(name=self.name, title=self.title, dialect=self.dialect, start=self.start)
