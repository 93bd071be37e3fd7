"""What ended connections leave behind is freed, and the start's own objects are left alone."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from server.collector import COLLECT_AFTER, Ended, rest, tame


class Node:
    """Something in a cycle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def as_before() -> Iterator[None]:
    """The collector is as it was afterwards."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


@pytest.mark.usefixtures("as_before")
def test_the_cycles_that_connections_leave_are_freed_when_there_are_many() -> None:
    gc.disable()
    ended, left = Ended(most=3), weakref.ref(Node())
    ended.one_more()
    ended.one_more()
    was_there = left() is not None
    ended.one_more()
    assert (was_there, left()) == (True, None)


@pytest.mark.usefixtures("as_before")
def test_what_the_start_has_made_is_left_alone() -> None:
    tame()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == COLLECT_AFTER


@pytest.mark.usefixtures("as_before")
def test_after_a_start_that_looked_for_no_garbage_it_is_looked_for_again() -> None:
    rest()
    rested = not gc.isenabled()
    tame()
    assert (rested, gc.isenabled(), gc.get_threshold()) == (True, True, COLLECT_AFTER)
