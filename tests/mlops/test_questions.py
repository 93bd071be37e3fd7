from __future__ import annotations

from pathlib import Path

import pytest

from mlops.questions import SALES_QUESTIONS, QuestionsError, digest_of, read_questions


def written(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('{"id": "a", "question": "?"}', "none"),
        ('{"id": "a", "question": "?", "expected": "Paris"}', "contains"),
        ('{"id": "a", "question": "?", "expected": ["Rome", "Paris"]}', "contains"),
        ('{"id": "a", "question": "?", "expected": 12.5}', "number"),
        ('{"id": "a", "question": "?", "expected": "12", "kind": "exact"}', "exact"),
        ('{"id": "a", "question": "?", "answer": [["Won", 1]]}', "rows"),
        ('{"id": "a", "question": "?", "kind": "not_available", "answer": null, "sql": "-"}', "not_available"),
    ],
)
def test_how_a_reply_is_judged_follows_from_what_is_known(tmp_path: Path, line: str, kind: str) -> None:
    (question,) = read_questions(written(tmp_path, line))

    assert question.judged_as == kind


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("{", "line 2: Input data was truncated", id="no_json"),
        pytest.param('{"question": "?"}', "line 2: Object missing required field `id`", id="no_id"),
        pytest.param('{"id": "ok", "question": "?"}', "'ok' is there twice", id="the_same_id"),
        pytest.param('{"id": "a", "question": " "}', "`question` is empty", id="no_words"),
        pytest.param('{"id": "a", "question": "?", "kind": "rows"}', "needs `answer`", id="rows_without_an_answer"),
        pytest.param('{"id": "a", "question": "?", "kind": "number", "expected": "1"}', "a number in", id="no_number"),
        pytest.param('{"id": "a", "question": "?", "kind": "exact"}', "a text in", id="exact_without_a_text"),
        pytest.param('{"id": "a", "question": "?", "kind": "guess"}', "Invalid enum value", id="unknown_kind"),
        pytest.param('{"id": "a", "question": "?", "tolerance_rel": -1}', "at least 0", id="negative_tolerance"),
    ],
)
def test_a_wrong_line_is_named_with_what_to_do(tmp_path: Path, line: str, said: str) -> None:
    path = written(tmp_path, '{"id": "ok", "question": "?"}', line)

    with pytest.raises(QuestionsError, match="questions") as caught:
        read_questions(path)

    assert said in str(caught.value)


def test_a_file_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QuestionsError, match="cannot be read"):
        read_questions(tmp_path / "nowhere.jsonl")
    with pytest.raises(QuestionsError, match="holds no question"):
        read_questions(written(tmp_path, ""))


def test_the_digest_is_of_what_matters(tmp_path: Path) -> None:
    plain = digest_of(read_questions(written(tmp_path, '{"id": "a", "question": "?", "expected": 1}')))
    noted = digest_of(read_questions(written(tmp_path, '{"note": "x", "id": "a", "question": "?", "expected": 1}', "")))
    other = digest_of(read_questions(written(tmp_path, '{"id": "a", "question": "?", "expected": 2}')))

    assert plain == noted != other


def test_the_sales_questions_are_24_of_which_one_cannot_be_answered() -> None:
    questions = read_questions(SALES_QUESTIONS)

    assert len(questions) == 24
    assert [each.id for each in questions if each.judged_as == "not_available"] == ["P22"]
