"""A question and what is known to be right, read from JSONL: one object a line.

    {"id": "P01", "question": "...", "lang": "pt", "tags": ["sum"], "kind": "rows",
     "answer": [["Won", 4238]], "ordered": false, "tolerance_rel": 0.001}
    {"id": "P22", "question": "...", "kind": "not_available"}
    {"id": "a1", "question": "What is the capital of France?", "expected": "Paris"}
    {"id": "a2", "question": "Say something."}

`kind` says how a reply is judged (scoring.py). Unset: `rows` with an `answer`; with `expected`, `number` for a number
and `contains` for text or a list of texts; else `none`, where only time, tokens and failures are measured. `lang` and
`tags` are for the report's breakdown. Other fields are ignored.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Literal

import msgspec

SALES_QUESTIONS: Final = Path(__file__).parent / "data" / "sales_questions.jsonl"
"""24 public questions about the demo's data, in Portuguese and English."""
TOLERANCE: Final = 0.001
"""Relative, of a number where a question gives none: what the sales questions use."""
ID_CHARACTERS: Final = 64

Kind = Literal["rows", "not_available", "exact", "contains", "number", "none"]
Value = str | float | int


class QuestionsError(Exception):
    """A file of questions cannot be used; the message says where and what to do."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question, with its ground truth where there is one. `tolerance_rel` is a share of the right number."""

    id: str
    question: str
    lang: str | None = None
    tags: tuple[str, ...] = ()
    kind: Kind | None = None
    answer: tuple[tuple[Value | None, ...], ...] | None = None
    ordered: bool = False
    expected: Value | tuple[str, ...] | None = None
    tolerance_rel: float = TOLERANCE

    @property
    def judged_as(self) -> Kind:
        """How a reply is judged."""
        if self.kind is not None:
            return self.kind
        if self.answer is not None:
            return "rows"
        if self.expected is None:
            return "none"
        return "contains" if isinstance(self.expected, str | tuple) else "number"


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read a file; blank lines are skipped. Raises QuestionsError with the line at fault."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionsError(f"The questions {str(path)!r} cannot be read: {error}.") from error
    questions: dict[str, Question] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        question = _question(line, f"{path.name}, line {number}")
        if question.id in questions:
            raise QuestionsError(f"{path.name}, line {number}: the id {question.id!r} is there twice; rename one.")
        questions[question.id] = question
    if not questions:
        raise QuestionsError(f"{str(path)!r} holds no question; write one JSON object a line.")
    return tuple(questions.values())


def digest_of(questions: tuple[Question, ...]) -> str:
    """Give the SHA-256 (hex) of what matters of the questions: the same for files that differ in other fields only."""
    return hashlib.sha256(msgspec.json.encode(questions)).hexdigest()


def _question(line: str, where: str) -> Question:
    try:
        question = msgspec.json.decode(line, type=Question)
    except msgspec.DecodeError as error:
        raise QuestionsError(f"{where}: {error}. A question needs `id` and `question`.") from error
    if (problem := _problem(question)) is not None:
        raise QuestionsError(f"{where}: {problem}")
    return question


def _problem(question: Question) -> str | None:
    if not (question.id.strip() and len(question.id) <= ID_CHARACTERS):
        return f"give an `id` of 1 to {ID_CHARACTERS} characters."
    if not question.question.strip():
        return "`question` is empty; write what is asked."
    if question.tolerance_rel < 0:
        return "`tolerance_rel` is a share of at least 0, such as 0.001."
    match question.judged_as:
        case "rows" if not question.answer or not all(question.answer):
            return "kind `rows` needs `answer`: a list of rows, each a list of values."
        case "number" if isinstance(question.expected, str | tuple | None):
            return "kind `number` needs a number in `expected`."
        case "exact" if not isinstance(question.expected, str):
            return "kind `exact` needs a text in `expected`."
        case "contains" if not question.expected or not isinstance(question.expected, str | tuple):
            return "kind `contains` needs a text or a list of texts in `expected`."
        case _:
            return None
