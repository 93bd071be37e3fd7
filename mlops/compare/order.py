"""Which question goes to which model when. Pure: the same seed gives the same order, so a run can be taken up again."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple


class Ask(NamedTuple):
    """One question to one model; `repeat` counts from 1."""

    model: str
    question_id: str
    repeat: int


def schedule(models: Sequence[str], question_ids: Sequence[str], *, repeats: int, seed: int) -> list[Ask]:
    """Give every combination once, interleaved.

    Each question goes to all models, in an order drawn anew, before the next question: a machine or a network that
    grows slower meanwhile is slower for all of them. Repeats are whole rounds, far apart.
    """
    random = Random(seed)
    asks = []
    for repeat in range(1, repeats + 1):
        for question_id in random.sample(question_ids, len(question_ids)):
            asks += [Ask(model, question_id, repeat) for model in random.sample(models, len(models))]
    return asks
