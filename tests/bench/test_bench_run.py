"""One small measurement through real processes, and what becomes of its figures."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench.__main__ import measure_scenario, read_options
from bench.clients.conversation import Answer
from bench.figures import spread
from bench.load import Load, LoadResult, summarize
from bench.processes import ROOT, CpuTime, Process, choose_cores, free_port
from bench.report import Report, describe, problems_of, rows_of, table, times_better, write
from bench.scenarios import CPU_PER_TOKEN, TOKENS_PER_S, TURNS_PER_S, Measured, Scenario, plan
from bench.systems import System, running

SMALL = Scenario(
    name="small",
    title="a small run",
    figures=(TOKENS_PER_S, CPU_PER_TOKEN),
    loads={
        "direct": Load(name="", dialect="openai", port=0, conversations=2, tokens=30),
        "naive": Load(name="", dialect="naive", port=0, conversations=2, tokens=30),
        "naive-redis": Load(name="", dialect="naive", port=0, conversations=2, tokens=30),
        "prosa": Load(name="", dialect="prosa", port=0, conversations=2, tokens=30),
    },
)


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[System]]:
    with running(
        frozenset({"naive", "naive-redis", "prosa"}), choose_cores(), tmp_path_factory.mktemp("bench")
    ) as there:
        yield there


def test_a_scenario_measures_every_system_that_it_knows(systems: list[System]):
    measured = measure_scenario(SMALL, systems, choose_cores(), repeats=1)

    results = {name: repeats[0].result for name, repeats in measured.items()}
    assert {name: (result.tokens, result.problems) for name, result in results.items()} == {
        "direct": (60, ()),
        "naive": (60, ()),
        "naive-redis": (60, ()),
        "prosa": (60, ()),
    }
    assert problems_of(SMALL, measured) == []
    assert {row.system for row in rows_of(SMALL, measured) if row.figure == TOKENS_PER_S.name} == set(SMALL.loads)


def test_the_naive_loop_answers_a_plain_chat(systems: list[System]):
    chat = Load(name="", dialect="chat", port=0, conversations=1, tokens=4, turns=2)
    scenario = Scenario(name="chat", title="", figures=(TURNS_PER_S,), loads={"naive": chat})

    measured = measure_scenario(scenario, systems, choose_cores(), repeats=1)

    assert (measured["naive"][0].result.turns, measured["naive"][0].result.problems) == (2, ())


def test_the_command_prints_a_table_and_keeps_the_results(tmp_path: Path):
    command = [sys.executable, "-m", "bench", "--repeats", "1", "--systems", "naive", "--scenarios", "chat"]

    done = subprocess.run(
        [*command, "--results", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert "no token was lost, doubled or reordered in any answer" in done.stdout
    (kept,) = tmp_path.glob("*-quick.json")
    report = msgspec.json.decode(kept.read_bytes(), type=Report)
    assert {row.figure for row in report.rows} == {"requests/s", "request p50", "request p99"}
    assert report.notes["websocket client, tokens per CPU second"] > 0


def test_a_process_that_does_not_listen_is_an_error_that_shows_its_output(tmp_path: Path):
    command = ["/bin/sh", "-c", "echo no such thing; exit 3"]

    with (
        Process(command, cores=(), log=tmp_path / "log") as process,
        pytest.raises(RuntimeError, match="no such thing"),
    ):
        process.wait_for_port(free_port())


def measured(tokens: int, wall_s: float, problems: tuple[str, ...] = ()) -> Measured:
    result = LoadResult(
        wall_s=wall_s, turns=1, tokens=tokens, token_ms=None, added_ms=None, turn_ms=None, problems=problems
    )
    return Measured(result=result, cpu=CpuTime(server_s=0.5, redis_s=0.0))


def test_rows_hold_medians_and_ratios_against_the_naive_loop():
    rows = rows_of(
        SMALL, {"naive": [measured(100, 1.0), measured(300, 1.0), measured(200, 1.0)], "prosa": [measured(2000, 1.0)]}
    )

    assert [(row.system, row.figure, row.value.median, row.times_better) for row in rows] == [
        ("naive", "tokens/s", 200.0, None),
        ("prosa", "tokens/s", 2000.0, 10.0),
        ("naive", "server CPU per token", 2500.0, None),
        ("prosa", "server CPU per token", 250.0, 10.0),
    ]


def test_there_is_no_ratio_without_a_yardstick():
    assert times_better(TOKENS_PER_S, spread([1.0]), None) is None


def test_a_report_can_be_read_back(tmp_path: Path):
    rows = rows_of(SMALL, {"naive": [measured(100, 1.0)]})
    problems = problems_of(SMALL, {"naive": [measured(100, 1.0, ("1 of 2 tokens lost, 0 doubled, 0 out of order",))]})
    report = describe("quick", rows, problems, {"ceiling": 1.0}, dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC))

    path = write(report, tmp_path / "results")

    assert path.name.startswith("20260102T030405-")
    assert path.name.endswith("-quick.json")
    assert msgspec.json.decode(path.read_bytes(), type=Report) == report
    assert {"openai", "uvicorn", "redis"} <= set(report.versions)
    assert report.commit
    assert report.problems[0].system == "naive"


def test_a_table_shows_a_line_per_system_and_figure():
    rows = rows_of(SMALL, {"naive": [measured(100, 1.0)], "prosa": [measured(5000, 1.0)]})

    lines = table(SMALL, rows, {"naive": "naive loop", "prosa": "Prosa"}).strip().splitlines()

    assert lines[0] == "a small run"
    assert [line.split()[0] for line in lines[1:]] == ["tokens/s", "tokens/s", "server", "server"]
    assert lines[2].endswith("50.00x naive")


def test_an_answer_with_a_problem_makes_the_result_say_so():
    good = Answer(asked_us=0, pieces=[("0.5.3 1 ", 10)], ended_us=12)
    short = Answer(asked_us=0, pieces=[("0.5.3 ", 10)], ended_us=12)
    failed = Answer(asked_us=0, pieces=[], ended_us=1, problem="status 503")
    garbage = Answer(asked_us=0, pieces=[("what ", 10)], ended_us=12)

    result = summarize([good, short, failed, garbage], tokens=2, wall_s=1.0)

    assert result.tokens == 3
    assert result.problems[:2] == ("1 of 2 tokens lost, 0 doubled, 0 out of order", "status 503")
    assert result.problems[2].startswith("not a token")


def test_added_time_is_the_way_there_and_the_way_back():
    answer = Answer(asked_us=1_000, pieces=[("0.9000.3000 ", 10_000)], ended_us=11_000)

    result = summarize([answer], tokens=1, wall_s=1.0)

    assert result.added_ms is not None
    assert result.token_ms is not None
    assert result.added_ms.p50 == pytest.approx(2.0 + 1.0)
    assert result.token_ms.p50 == pytest.approx(1.0)


def test_the_full_profile_holds_the_quick_one():
    quick, full = ({scenario.name for scenario in plan(full=size)} for size in (False, True))

    assert quick < full
    assert {"throughput", "paced", "first-token", "chat"} == quick


def test_the_command_line_chooses_systems_and_repeats():
    options = read_options(["--full", "--systems", "prosa"])

    assert (options.full, options.repeats, options.systems) == (True, 5, frozenset({"prosa"}))


def test_an_unknown_scenario_is_refused():
    with pytest.raises(SystemExit):
        read_options(["--scenarios", "nonsense"])
