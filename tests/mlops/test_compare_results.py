"""The results on disk: half a line, another writer, another comparison."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mlops.compare.results import (
    Environment,
    Result,
    ResultsError,
    ResultsWriter,
    Run,
    RunSettings,
    differences,
    read_results,
)

SETTINGS = RunSettings(
    models=("a:1", "b:2"),
    questions_sha256="00",
    repeats=2,
    seed=1,
    concurrency=1,
    timeout_s=60,
    agent=None,
    url="http://127.0.0.1:1",
)
RUN = Run(at_ms=1, settings=SETTINGS, environment=Environment(prosa=None, python="3", system="x", cpus=1))


def result(question_id: str, text: str = "") -> Result:
    return Result(model="a:1", question_id=question_id, repeat=1, started_at_ms=1, latency_ms=1.5, text=text)


async def written(path: Path, *lines: Run | Result) -> None:
    with ResultsWriter(path, whole_bytes=0) as writer:
        for line in lines:
            await writer.add(line)


async def test_what_is_written_is_read_again_in_order(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    await written(path, RUN, result("Q2"), result("Q1", "São\nPaulo"))

    found = read_results(path)

    assert found is not None
    assert found.runs == (RUN,)
    assert found.results == (result("Q2"), result("Q1", "São\nPaulo"))


async def test_a_half_written_last_line_is_dropped_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    await written(path, RUN, result("Q1"))
    with path.open("ab") as file:
        file.write(msgspec.json.encode(result("Q2"))[:20])
    found = read_results(path)
    assert found is not None

    with ResultsWriter(path, whole_bytes=found.whole_bytes) as writer:
        await writer.add(result("Q3"))

    again = read_results(path)
    assert again is not None
    assert again.results == (result("Q1"), result("Q3"))


async def test_of_two_results_of_the_same_question_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    await written(path, RUN, result("Q1", "first"), result("Q1", "second"))

    found = read_results(path)

    assert found is not None
    assert [each.text for each in found.results] == ["first"]


@pytest.mark.parametrize("data", [None, b"", b'{"type":"run","at'], ids=["no_file", "empty", "half_a_line"])
def test_without_a_whole_line_there_is_nothing_to_go_on_with(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "results.jsonl"
    if data is not None:
        path.write_bytes(data)

    assert read_results(path) is None


async def test_a_wrong_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    await written(path, RUN)
    with path.open("ab") as file:
        file.write(b"nonsense\n")

    with pytest.raises(ResultsError, match="line 2"):
        read_results(path)


async def test_a_file_without_settings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    await written(path, result("Q1"))

    with pytest.raises(ResultsError, match="does not begin with its settings"):
        read_results(path)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with ResultsWriter(path, whole_bytes=0), pytest.raises(ResultsError, match="Another process writes"):
        ResultsWriter(path, whole_bytes=0).__enter__()


def test_what_differs_is_said() -> None:
    other = msgspec.structs.replace(SETTINGS, seed=2, models=("a:1",))

    assert differences(SETTINGS, SETTINGS) == []
    assert differences(SETTINGS, other) == ["models was ('a:1', 'b:2'), now ('a:1',)", "seed was 1, now 2"]
