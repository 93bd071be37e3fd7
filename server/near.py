"""Questions in other words: built where EMBEDDINGS_MODEL is set, asked for at the start where an agent wants it.

The modules behind are loaded only then: their words and patterns cost a start some milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent.settings import AgentConfig
from core.errors import SettingsError
from core.measurements import Measure
from core.ports import AnswerCache, Embedder, EmbeddingStore, NearQuestions

if TYPE_CHECKING:
    from agent.semantic.near_answers import NearAnswers


def near_answers(
    embedder: Embedder | None,
    agents: Mapping[str, AgentConfig],
    *,
    questions: NearQuestions,
    store: EmbeddingStore,
    answers: AnswerCache,
    measure: Measure,
) -> NearAnswers | None:
    """What finds answers to questions in other words; None without an embedder.

    Raises SettingsError where there is none and an agent wants it.
    """
    if embedder is None:
        for agent in agents.values():
            if agent.cache is not None and agent.cache.semantic is not None:
                wanted = "set EMBEDDINGS_MODEL, such as openai:text-embedding-3-small, or take it out"
                raise SettingsError(f"The agent {agent.name!r} has cache.semantic, which needs vectors: {wanted}.")
        return None
    from agent.semantic.near_answers import NearAnswers
    from agent.semantic.vectors import KeptVectors

    return NearAnswers(questions, answers, KeptVectors(embedder, store, measure))
