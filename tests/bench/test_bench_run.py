"""One small measurement through real processes, and what becomes of its figures."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import bench.catalogue as figures
from bench.__main__ import measure_scenario, read_options
from bench.bars import BARS, Bar, Verdict
from bench.clients.conversation import Answer
from bench.figures import spread
from bench.load import Load
from bench.loading import LoadRun
from bench.measures import Place, Sample, Scenario
from bench.processes import ROOT, Process, choose_cores, free_port
from bench.reading import Span, summarize
from bench.report import Report, Row, derived_rows, describe, problems_of, rows_of, times_better, write
from bench.scenarios import plan
from bench.systems import NAIVE, STARTERS
from bench.tables import table

FURTHER = (replace(NAIVE, name="peer", title="a peer"),)
ALL = ("direct", "naive", "naive-redis", "prosa")
SMALL = Scenario(
    name="small",
    title="a small run",
    how="",
    figures=(figures.TOKENS_PER_S, figures.CPU_PER_TOKEN),
    runs=dict.fromkeys(ALL, LoadRun(Load(conversations=2, tokens=30))),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("bench")
        yield Place(stack, choose_cores(), folder, {starter.name: starter for starter in STARTERS})


def test_a_scenario_measures_every_system_that_it_knows(place: Place):
    measured = measure_scenario(SMALL, ALL, place, repeats=1)

    assert {name: len(repeats) for name, repeats in measured.items()} == dict.fromkeys(ALL, 1)
    assert problems_of(SMALL, measured) == []
    assert {row.system for row in rows_of(SMALL, measured) if row.figure == "tokens_per_s"} == set(ALL)


def test_the_naive_loop_answers_a_plain_chat(place: Place):
    chat = LoadRun(Load(dialect="chat", conversations=1, tokens=4, turns=2))

    sample = chat(place, "naive", "plain_chat")

    assert sample.problems == ()
    assert sample.values["turns_per_s"]


def test_a_window_stops_what_is_under_way_and_counts_only_itself(place: Place):
    endless = LoadRun(Load(conversations=2, tokens=100_000, rate=100, stagger_s=0.2, window_s=0.5))

    samples = [endless(place, system, f"window_{system}") for system in ("naive", "prosa")]

    assert [sample.problems for sample in samples] == [(), ()]
    assert [sample.values["turns_per_s"] for sample in samples] == [0.0, 0.0]
    assert all(sample.values["tokens_per_s"] for sample in samples)


def test_a_tool_step_is_measured_with_the_tool_and_without(place: Place):
    asking = LoadRun(Load(conversations=1, tokens=3, tool=True))

    sample = asking(place, "prosa", "tool_step")

    gross, net = sample.values["step_p50_ms"], sample.values["step_net_p50_ms"]
    assert sample.problems == ()
    assert gross is not None
    assert net is not None
    assert gross >= net


def test_the_command_prints_a_table_and_keeps_the_results(tmp_path: Path):
    command = [sys.executable, "-m", "bench", "--repeats", "1", "--systems", "naive", "--scenarios", "chat-upstream"]

    done = subprocess.run(
        [*command, "--results", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert "no token was lost, doubled or reordered in any answer" in done.stdout
    (kept,) = tmp_path.glob("*-quick.json")
    report = msgspec.json.decode(kept.read_bytes(), type=Report)
    assert {"turns_per_s", "turn_p50_ms", "turn_p99_ms"} <= {row.figure for row in report.rows}
    assert report.notes["websocket client, tokens per CPU second"] > 0


def test_a_process_that_does_not_listen_is_an_error_that_shows_its_output(tmp_path: Path):
    command = ["/bin/sh", "-c", "echo no such thing; exit 3"]

    with (
        Process(command, cores=(), log=tmp_path / "log") as process,
        pytest.raises(RuntimeError, match="no such thing"),
    ):
        process.wait_for_port(free_port())


def sample(tokens_per_s: float, *problems: str) -> Sample:
    return Sample(values={"tokens_per_s": tokens_per_s, "cpu_us_per_token": 5e5 / tokens_per_s}, problems=problems)


def test_rows_hold_medians_and_ratios_against_the_naive_loop():
    rows = rows_of(SMALL, {"naive": [sample(100), sample(300), sample(200)], "prosa": [sample(2000)]})

    assert [(row.system, row.figure, row.value.median, row.times_better) for row in rows] == [
        ("naive", "tokens_per_s", 200.0, None),
        ("prosa", "tokens_per_s", 2000.0, 10.0),
        ("naive", "cpu_us_per_token", 2500.0, None),
        ("prosa", "cpu_us_per_token", 250.0, 10.0),
    ]


def test_a_lost_token_makes_every_figure_of_that_system_void():
    rows = rows_of(SMALL, {"naive": [sample(100)], "prosa": [sample(2000), sample(2100, "1 of 2 tokens lost")]})

    assert {row.system for row in rows} == {"naive"}


def test_there_is_no_ratio_without_a_yardstick():
    assert times_better(figures.TOKENS_PER_S, spread([1.0]), None) is None


def paced(count: int, **samples: list[Sample]) -> list[Row]:
    shown = (figures.CPU_PER_TOKEN, figures.PACE_KEPT)
    return rows_of(replace(SMALL, name=f"paced-{count}", figures=shown), samples)


def cost(cpu_us: float, pace: float = 100.0) -> Sample:
    return Sample(values={"cpu_us_per_token": cpu_us, "pace_kept": pace})


def test_growth_is_the_ratio_of_each_repeat():
    rows = [*paced(10, prosa=[cost(50), cost(50)]), *paced(300, prosa=[cost(100), cost(50)])]

    (growth,) = derived_rows(rows)

    assert (growth.system, growth.figure, growth.value.values) == ("prosa", "growth", (2.0, 1.0))


def test_the_cost_of_many_is_held_against_the_naive_loop_where_it_keeps_pace():
    rows = [
        *paced(40, naive=[cost(220)]),
        *paced(100, naive=[cost(200, pace=98)]),
        *paced(300, naive=[cost(120, pace=60)], prosa=[cost(40), cost(50)]),
    ]

    (against,) = derived_rows(rows)

    assert (against.figure, against.value.values) == ("against_kept", (5.0, 4.0))


def test_a_report_can_be_read_back(tmp_path: Path):
    problems = problems_of(SMALL, {"naive": [sample(100, "1 of 2 tokens lost, 0 doubled, 0 out of order")]})
    rows, started = rows_of(SMALL, {"naive": [sample(100)]}), dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    report = describe("quick", rows, problems, {"ceiling": 1.0}, started, systems={"naive": "n"}, scenarios=[SMALL])

    path = write(report, tmp_path / "results")

    assert path.name.startswith("20260102T030405-")
    assert path.name.endswith("-quick.json")
    assert msgspec.json.decode(path.read_bytes(), type=Report) == report
    assert {"openai", "uvicorn", "redis"} <= set(report.versions)
    assert report.commit
    assert report.problems[0].system == "naive"


def test_a_table_shows_a_line_per_system_and_figure():
    rows = rows_of(SMALL, {"naive": [sample(100)], "prosa": [sample(5000)]})

    lines = table(SMALL, rows, {"naive": "naive loop", "prosa": "Prosa"}).strip().splitlines()

    assert lines[0] == "a small run"
    assert [line.split()[0] for line in lines[1:]] == ["tokens/s", "tokens/s", "server", "server"]
    assert lines[2].endswith("50.00x naive")


ALWAYS = Span(begun_us=0, ended_us=1_000_000)


def test_an_answer_with_a_problem_makes_the_result_say_so():
    good = Answer(asked_us=0, pieces=[("0.5.3 1 ", 10)], ended_us=12)
    short = Answer(asked_us=0, pieces=[("0.5.3 ", 10)], ended_us=12)
    failed = Answer(asked_us=0, pieces=[], ended_us=1, problem="status 503")
    garbage = Answer(asked_us=0, pieces=[("what ", 10)], ended_us=12)

    result = summarize([good, short, failed, garbage], tokens=2, span=ALWAYS)

    assert result.tokens == 3
    assert result.problems[:2] == ("1 of 2 tokens lost, 0 doubled, 0 out of order", "status 503")
    assert result.problems[2].startswith("not a token")


def test_of_an_answer_that_was_cut_the_beginning_is_checked():
    begun = Answer(asked_us=0, pieces=[("0.5.3 1 ", 10)], ended_us=12, is_cut=True)
    holed = Answer(asked_us=0, pieces=[("0.5.3 2 ", 10)], ended_us=12, is_cut=True)

    result = summarize([begun, holed], tokens=100, span=ALWAYS)

    assert result.problems == ("1 of 2 tokens lost, 0 doubled, 0 out of order",)


def test_what_came_outside_the_window_is_checked_and_not_counted():
    answer = Answer(asked_us=0, pieces=[("0.5.3 ", 10), ("1.40 ", 50), ("3.80 ", 90)], ended_us=95)

    result = summarize([answer], tokens=3, span=Span(begun_us=20, ended_us=60))

    assert (result.tokens, result.turns, result.added_ms) == (1, 0, None)
    assert result.problems == ("1 of 3 tokens lost, 0 doubled, 0 out of order",)


def test_added_time_is_the_way_there_and_the_way_back():
    answer = Answer(asked_us=1_000, pieces=[("0.9000.3000 ", 10_000)], ended_us=11_000)

    result = summarize([answer], tokens=1, span=ALWAYS)

    assert result.added_ms is not None
    assert result.token_ms is not None
    assert result.added_ms.p50 == pytest.approx(2.0 + 1.0)
    assert result.token_ms.p50 == pytest.approx(1.0)


def test_a_tool_step_is_the_way_from_the_call_to_the_next_request_less_the_tool():
    answer = Answer(asked_us=1_000, pieces=[("0.9000.8000.3000 ", 10_000)], ended_us=11_000, tool_ms=2)

    result = summarize([answer], tokens=1, span=ALWAYS)

    assert result.step_ms is not None
    assert result.step_net_ms is not None
    assert (result.step_ms.p50, result.step_net_ms.p50) == (5.0, 3.0)
    assert result.added_ms is None


def test_both_profiles_measure_the_same_things():
    quick, full = ([scenario.name for scenario in plan(full=size)] for size in (False, True))

    assert quick == full
    assert len(set(full)) == len(full)


def test_every_bar_is_about_a_figure_that_is_measured():
    measured = {(scenario.name, figure.key) for scenario in plan(full=True) for figure in scenario.figures}

    assert {(bar.scenario, bar.figure.key) for bar in BARS} <= measured | {
        ("growth", "growth"),
        ("growth", "against_kept"),
    }


@pytest.mark.parametrize(
    ("kind", "limit", "value", "times", "word"),
    [
        pytest.param("times", 30, 1.0, 30.0, "PASS", id="as_many_times"),
        pytest.param("times", 30, 1.0, 29.0, "below the bar", id="not_as_many_times"),
        pytest.param("times", 30, 1.0, None, "not measured", id="no_naive_loop_in_the_run"),
        pytest.param("most", 20, 20.0, None, "PASS", id="at_most"),
        pytest.param("most", 20, 20.1, None, "below the bar", id="over_the_most"),
        pytest.param("least", 80, 80.0, None, "PASS", id="at_least"),
        pytest.param("flat", 0.15, 1.15, None, "PASS", id="grown_by_little"),
        pytest.param("flat", 0.15, 0.8, None, "below the bar", id="shrunk_by_much"),
    ],
)
def test_a_bar_is_reached_or_not(kind: Any, limit: float, value: float, times: float | None, word: str):
    bar = Bar(scenario="small", figure=figures.TOKENS_PER_S, kind=kind, limit=limit)
    (row,) = rows_of(replace(SMALL, figures=(figures.TOKENS_PER_S,)), {"prosa": [sample(value)]})

    assert Verdict(bar=bar, row=replace(row, times_better=times)).word == word


def test_the_command_line_chooses_systems_and_repeats():
    options = read_options(["--full", "--systems", "prosa"])

    assert (options.full, options.repeats, options.systems) == (True, 3, frozenset({"prosa"}))


def test_a_system_from_outside_takes_part_in_what_any_system_can_do():
    options = read_options(["--also", f"{__name__}:FURTHER", "--systems", "peer"])

    measured_on_peers = {scenario.name for scenario in plan(full=False) if scenario.run_of("peer") is not None}
    assert options.starters[-1] is FURTHER[0]
    assert {"throughput", "paced-300", "first-token-20"} <= measured_on_peers


def test_an_unknown_scenario_is_refused():
    with pytest.raises(SystemExit):
        read_options(["--scenarios", "nonsense"])
