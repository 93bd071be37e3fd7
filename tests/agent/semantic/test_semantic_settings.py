"""What an agent's file may say about questions in other words."""

from __future__ import annotations

import pytest

from agent.settings import CacheSettings, SemanticSettings, parse_agent
from core.errors import SettingsError

AGENT = "name: a\ntitle: A\ninstructions: {id: sales, version: 2}\ncache: "


def test_an_agent_opts_in_with_a_threshold() -> None:
    agent = parse_agent(f"{AGENT} {{ttl_s: 60, semantic: {{threshold: 0.95}}}}", source="a.yaml")
    assert agent.cache == CacheSettings(ttl_s=60, semantic=SemanticSettings(threshold=0.95))


def test_a_cache_alone_does_not_opt_in() -> None:
    agent = parse_agent(f"{AGENT} {{ttl_s: 60}}", source="a.yaml")
    assert agent.cache is not None
    assert agent.cache.semantic is None


@pytest.mark.parametrize(
    ("semantic", "words"),
    [
        pytest.param("{threshold: 0.5}", "cache.semantic.threshold is 0.5, more than 0.5", id="too_low"),
        pytest.param("{threshold: 1.01}", "cache.semantic.threshold is 1.01", id="too_high"),
        pytest.param("{threshold: .nan}", "cache.semantic.threshold is nan", id="no_number"),
        pytest.param("{}", "threshold", id="without"),
        pytest.param("{threshold: 0.9, model: x}", "model", id="what_is_not_there"),
    ],
)
def test_what_cannot_be_right_is_refused_with_the_file_and_the_field(semantic: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_agent(f"{AGENT} {{semantic: {semantic}}}", source="a.yaml")
    assert refused.value.message.startswith("a.yaml: ")
    assert words in refused.value.message
