"""The real scripts against a model: whatever users, executors and Redis do, and in whatever order.

`model_turns.py` and `model_sessions.py` are the rules; `model_users.py`, `model_executors.py` and `model_faults.py` are
the steps; `model_look.py` holds all of Redis against the rules after each step, and readers on both nodes must have
heard each event once and in order. In CI the run is the same each time. A deeper one, elsewhere each time:

    STATE_MACHINE_EXAMPLES=3000 STATE_MACHINE_STEPS=100 pytest tests/conformance/test_state_machine.py
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from loguru import logger

from tests.conformance.model_executors import Executors
from tests.conformance.model_faults import Faults
from tests.conformance.model_users import Users
from tests.servers import RedisServer

DEEP = "STATE_MACHINE_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "20"))
STEPS = int(os.environ.get("STATE_MACHINE_STEPS", "40"))
ENOUGH = ("turns accepted", "runs", "recoveries", "writes", "writes refused", "answers", "tails lost", "readers")


class StateMachine(Users, Executors, Faults):
    """All rules together."""


@pytest.mark.parametrize("partitions", [1, 2], ids=["one_partition", "two_partitions"])
@pytest.mark.timeout(0 if DEEP else 600)  # a failing one is made as short as can be, which takes minutes
def test_the_scripts_do_what_the_model_says(server: RedisServer, partitions: int, tmp_path: Path) -> None:
    activity: Counter[str] = Counter()
    members = {"server": server, "partitions": partitions, "folder": tmp_path, "activity": activity}

    run_state_machine_as_test(
        type("StateMachine", (StateMachine,), members),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=not DEEP,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )

    logger.info("state_machine.ran", **activity)
    assert not [what for what in ENOUGH if not activity[what]]
