"""The window, the counting, the configuration and the instructions of an agent."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from agent.budget import TokenCounter, estimate_tokens
from agent.context import build_messages, count_tokens
from agent.prompts import instructions, prompt_version
from agent.settings import load_agents, parse_agent, parse_model
from core.errors import SettingsError
from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.turns import HistoryEntry
from tests.agent.agent_support import taken

ROOT = Path(__file__).parents[2]
TODAY = dt.date(2017, 12, 31)


def window(tokens: int, *history: HistoryEntry, **changes: Any) -> list[str]:
    messages = build_messages(
        instructions="Be brief.",
        history=history,
        turn=taken(**changes).input,
        results=(),
        window_tokens=tokens,
        counter=TokenCounter(),
        offer_tools=True,
    )
    return [f"{type(message).__name__[0]}:{message.content}" for message in messages]


def earlier(number: int, *more: ModelMessage) -> HistoryEntry:
    question = UserMessage(content=f"question {number}")
    return HistoryEntry(
        turn_id=f"old_{number}", messages=(question, *more, AssistantMessage(content=f"answer {number}"))
    )


def test_all_turns_that_fit_are_in_the_window_oldest_first() -> None:
    assert window(1_000, earlier(1), earlier(2)) == [
        "S:Be brief.",
        "U:question 1",
        "A:answer 1",
        "U:question 2",
        "A:answer 2",
        "U:How much?",
    ]


def test_older_turns_are_left_out_whole() -> None:
    assert window(36, earlier(1), earlier(2)) == ["S:Be brief.", "U:question 2", "A:answer 2", "U:How much?"]


def test_a_tool_call_is_never_parted_from_its_result() -> None:
    call = ToolCall(call_id="c", name="look", arguments="{}")
    tools = (AssistantMessage(content="", tool_calls=(call,)), ToolMessage(call_id="c", name="look", content="x" * 200))

    assert window(60, earlier(1, *tools), earlier(2)) == [
        "S:Be brief.",
        "U:question 2",
        "A:answer 2",
        "U:How much?",
    ]


def test_a_gap_in_the_history_is_not_skipped_over() -> None:
    long = HistoryEntry(turn_id="old", messages=(UserMessage(content="x" * 500), AssistantMessage(content="y")))

    assert window(60, earlier(1), long, earlier(2)) == ["S:Be brief.", "U:question 2", "A:answer 2", "U:How much?"]


def test_the_question_is_there_however_small_the_window() -> None:
    assert window(0, earlier(1)) == ["S:Be brief.", "U:How much?"]


def test_tool_calls_count() -> None:
    call = ToolCall(call_id="c", name="look", arguments="x" * 35)
    bare, with_call = AssistantMessage(content="hi"), AssistantMessage(content="hi", tool_calls=(call,))

    assert count_tokens([with_call], TokenCounter()) == count_tokens([bare], TokenCounter()) + 2 + 10


# ---------------------------------------------------------------- counting


def test_an_estimate_is_never_zero_for_a_text() -> None:
    assert [estimate_tokens(characters) for characters in (0, 1, 35, 36)] == [0, 1, 10, 11]


async def test_counting_is_exact_once_the_vocabulary_is_loaded(tmp_path: Path) -> None:
    """The count is that of OpenAI's o200k_base, which has one token for each of these words."""
    counter = TokenCounter(cache_dir=tmp_path / "tokens")
    text = " hello" * 200
    before = counter.count(text)
    await counter.load()
    await counter.load()

    assert (before, counter.count(text), counter.is_exact) == (estimate_tokens(1_200), 200, True)
    assert counter.count(text) == 200
    assert counter.count("x" * 20_000) == estimate_tokens(20_000)
    assert len(list((tmp_path / "tokens").iterdir())) == 1


async def test_the_vocabulary_is_unpacked_once(tmp_path: Path) -> None:
    await TokenCounter(cache_dir=tmp_path).load()
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns
    await TokenCounter(cache_dir=tmp_path).load()

    assert file.stat().st_mtime_ns == written


async def test_a_missing_vocabulary_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(SettingsError, match="bpe-openai is not installed"):
        await TokenCounter(cache_dir=tmp_path).load()


def test_instructions_that_are_not_there_are_said_at_the_start() -> None:
    with pytest.raises(SettingsError, match=r"no instructions 'nothing\.v1'"):
        parse_agent(AGENT.replace("sales", "nothing"), source="a.yaml")


# ---------------------------------------------------------------- configuration

AGENT = "name: a\ntitle: A\ninstructions: {id: sales, version: 1}\n"


def test_the_shipped_agents_are_whole() -> None:
    agents = load_agents(ROOT / "agents")

    sales = agents["sales"]
    assert set(sales.starters) == {"pt", "en", "es"}
    assert sales.tools == ("sales_query", "sales_find", "sales_sql", "market", "create_follow_up")
    assert instructions(sales.instructions.id, sales.instructions.version, today=TODAY)


def test_an_agent_needs_little() -> None:
    agent = parse_agent(AGENT, source="a.yaml")

    assert (agent.reveal, agent.limits.steps, agent.model) == ("summary", 8, None)


WRONG: dict[str, tuple[str, str]] = {
    "not_yaml": ("name: [", "a.yaml: not YAML"),
    "an_unknown_field": (AGENT + "colour: red\n", "a.yaml: Object contains unknown field `colour`"),
    "a_wrong_type": (AGENT + "context_tokens: many\n", "a.yaml: Expected `int`, got `str` - at `$.context_tokens`"),
    "a_wrong_choice": (AGENT + "reveal: some\n", "a.yaml: Invalid enum value 'some' - at `$.reveal`"),
    "no_steps": (AGENT + "limits: {steps: 0}\n", "a.yaml: limits.steps is 0, at least 1 is wanted"),
    "no_time_to_answer": (
        AGENT + "approval_timeout_s: 0\n",
        "a.yaml: approval_timeout_s is 0, 1 to 1209600 is wanted",
    ),
    "an_approval_that_outlives_its_session": (
        AGENT + "approval_timeout_s: 2592000\n",
        "a.yaml: approval_timeout_s is 2.592e+06, 1 to 1209600 is wanted",
    ),
    "an_unknown_approver": (AGENT + "tools: [t]\napprovals: {t: boss}\n", "a.yaml: Invalid enum value 'boss'"),
    "an_approval_of_no_tool": (
        AGENT + "tools: [sales_*]\napprovals: {sales_find: user, pay: user}\n",
        "a.yaml: approvals names 'pay', which is none of its tools",
    ),
    "nothing": ("", "a.yaml: Expected `object`, got `null`"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_agent_is_said_in_one_line(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_agent(text, source="a.yaml")

    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message


def test_two_agents_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(AGENT)
    (tmp_path / "b.yaml").write_text(AGENT)

    with pytest.raises(SettingsError, match=r"b\.yaml: another file has an agent named 'a' already"):
        load_agents(tmp_path)


def test_a_folder_without_agents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no agent"):
        load_agents(tmp_path)


def test_a_model_is_named_with_its_provider() -> None:
    assert parse_model("ollama:qwen2.5:7b") == ("ollama", "qwen2.5:7b")


@pytest.mark.parametrize("text", ["gpt-5", ":gpt-5", "openai:", ""])
def test_a_model_without_its_provider_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="provider:model"):
        parse_model(text)


# ---------------------------------------------------------------- instructions


def test_instructions_know_the_day_and_the_language() -> None:
    text = instructions("sales", 1, today=TODAY)

    assert "Today is 2017-12-31." in text
    assert "the language of the user's last message" in text
    assert "{" not in text


def test_an_agents_own_language_goes_before_the_users() -> None:
    assert "Answer in the language with the tag pt-BR." in instructions("sales", 1, today=TODAY, language="pt-BR")


@pytest.mark.parametrize("prompt_id", ["nothing", "../sales", "../../agents/sales"])
def test_unknown_instructions_are_refused(prompt_id: str) -> None:
    with pytest.raises(SettingsError, match="no instructions"):
        instructions(prompt_id, 1, today=TODAY)


def test_a_prompt_version_has_a_name() -> None:
    assert prompt_version("sales", 1) == "sales.v1"


def test_the_last_step_is_told_that_there_are_no_more_tools() -> None:
    messages = build_messages(
        instructions="Be brief.",
        history=(),
        turn=taken().input,
        results=(),
        window_tokens=100,
        counter=TokenCounter(),
        offer_tools=False,
    )

    assert isinstance(messages[0], SystemMessage)
    assert messages[0].content.startswith("Be brief.\n\nYou can call no more tools now")


def test_an_agents_file_that_is_no_text_is_the_operators_mistake(tmp_path: Path) -> None:
    (tmp_path / "sales.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"^sales\.yaml: it is not UTF-8$"):
        load_agents(tmp_path)


def test_so_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "sales.yaml").mkdir()
    with pytest.raises(SettingsError, match=r"^sales\.yaml: it cannot be read"):
        load_agents(tmp_path)
