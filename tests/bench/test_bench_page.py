"""The page of figures says what the result files say, and the plots show it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from bench.bars import BARS, Verdict, judge
from bench.figures import spread
from bench.page import PAGE, RESULTS, drawn
from bench.plots import draw, reach_of
from bench.report import Described, Problem, Report, Row, derived_rows

SYSTEMS = {"direct": "straight", "naive": "naive loop", "prosa": "Prosa", "peer": "a peer"}


def row(scenario: str, system: str, figure: str, *values: float, times: float | None = None) -> Row:
    return Row(
        scenario=scenario,
        system=system,
        figure=figure,
        name=figure.replace("_", " "),
        unit="us",
        value=spread(values),
        times_better=times,
    )


@pytest.fixture
def report() -> Report:
    rows = [
        row("throughput", "naive", "tokens_per_s", 7000.0),
        row("throughput", "prosa", "tokens_per_s", 230_000.0, 240_000.0, times=33.6),
        row("throughput", "peer", "tokens_per_s", 3500.0, times=0.5),
        *(row(f"paced-{size}", "naive", "cpu_us_per_token", 200.0) for size in (10, 300)),
        *(row(f"paced-{size}", "prosa", "cpu_us_per_token", 50.0, times=4.0) for size in (10, 300)),
        row("redis", "prosa", "appends_per_s", 84_000.0),
    ]
    return Report(
        profile="full",
        started="2026-01-02T03:04:05+00:00",
        commit="abc",
        machine={"system": "x", "processor": "2 x y", "python": "3.11"},
        versions={"uvloop": "1"},
        duration_s=600.0,
        notes={},
        systems=SYSTEMS,
        scenarios=tuple(
            Described(name=name, title=f"about {name}", how=f"how {name}")
            for name in ("throughput", "paced-10", "paced-300", "redis")
        ),
        rows=(*rows, *derived_rows(rows)),
        problems=(),
    )


@pytest.fixture
def results(tmp_path: Path, report: Report) -> Path:
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(report))
    return tmp_path


def test_the_page_says_what_its_result_files_say():
    page = PAGE.read_text()

    assert drawn(page) == page


def test_the_page_has_every_part():
    assert re.findall(r"<!-- (\w+) \S+ -->", PAGE.read_text()) == ["bars", "peers", "budget", "figures"]


def test_the_plots_beside_the_page_are_small_and_show_its_run(tmp_path: Path):
    files = re.findall(r"<!-- bars (\S+\.json) -->", PAGE.read_text())

    drawings = [draw(msgspec.json.decode((RESULTS / name).read_bytes(), type=Report), tmp_path) for name in files]

    shown = {path.name: path.read_bytes() for path in (PAGE.parent / "performance").glob("*.svg")}
    assert shown == {path.name: path.read_bytes() for drawing in drawings for path in drawing}
    assert all(len(data) < 60_000 for data in shown.values())


def test_a_part_is_drawn_from_the_file_that_is_named(results: Path):
    page = "a\n<!-- bars none -->\nold\n<!-- /bars -->\nz\n"

    after = drawn(page, {"bars": "run.json"}, results)

    assert after.startswith("a\n<!-- bars run.json -->\n")
    assert after.endswith("<!-- /bars -->\nz\n")
    assert "| about throughput: tokens/s | 33.60x | 235,000 µs | 7,000 µs | 30x naive | **PASS** |" in after
    assert "| CPU per token, 300 conversations over 10 |  | 1.00 | 1.00 | 1 ± 0.15 | **PASS** |" in after
    assert "not measured" in after
    assert drawn(after, {}, results) == after


def test_a_part_without_a_file_says_so(results: Path):
    assert "Not measured yet." in drawn("<!-- peers none -->\n<!-- /peers -->", {}, results)


def test_tables_of_figures_have_a_column_a_system(results: Path):
    after = drawn("<!-- figures run.json -->\n<!-- /figures -->", {}, results)

    assert "### about throughput\n\nhow throughput\n\n| | naive loop | Prosa | a peer | Prosa against naive |" in after
    assert "| tokens per s | 7,000 µs | 235,000 µs (230,000 to 240,000) | 3,500 µs | 33.60x |" in after


def test_peers_are_shown_only_where_there_are_some(results: Path):
    after = drawn("<!-- peers run.json -->\n<!-- /peers -->", {}, results)

    assert "| a peer | 3,500 µs (0.500x naive) |" in after
    assert "about redis" not in after


def test_a_run_with_void_figures_says_which(results: Path, report: Report):
    problem = Problem(scenario="throughput", system="peer", what="1 of 3 tokens lost")
    (results / "void.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(report, problems=(problem,))))

    assert "1 figures are void: throughput." in drawn("<!-- bars void.json -->\n<!-- /bars -->", {}, results)


def test_plots_are_the_same_bytes_for_the_same_run(report: Report, tmp_path: Path):
    once, again = draw(report, tmp_path / "a"), draw(report, tmp_path / "b")

    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
    assert all(b"<svg" in path.read_bytes() for path in once)


def test_reach_is_one_at_the_bar_and_more_beyond(report: Report):
    reached = {(one.bar.scenario, one.bar.figure.key): reach_of(one) for one in judge(report.rows)}

    assert reached[("throughput", "tokens_per_s")] == pytest.approx(33.6 / 30)
    assert reached[("redis", "appends_per_s")] == pytest.approx(84 / 80)
    assert reached[("growth", "growth")] is None
    assert reached[("start", "ready_s")] is None


def test_a_bar_without_a_figure_is_not_measured():
    assert Verdict(bar=BARS[0], row=None).word == "not measured"
