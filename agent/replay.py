"""Taking over a turn from an earlier run: what is shown is brought to where the journal is, no further."""

from __future__ import annotations

from collections.abc import Sequence

from agent.feed import BLANK_LINE, Feed
from core.messages import Message, content_text
from core.turns import JournalEntry, ModelCalled
from core.view import SessionView


def journalled_text(journal: Sequence[JournalEntry]) -> str:
    """The message as the finished steps left it."""
    texts = [entry.text for entry in journal if isinstance(entry, ModelCalled) and entry.text]
    return BLANK_LINE.join(texts)


def take_over(
    feed: Feed, turn_id: str, journal: Sequence[JournalEntry], shown: SessionView | None, *, goes_on: bool = True
) -> None:
    """Let the feed go on from the journal: cut off what an unfinished step showed, say again what the log lost.

    `goes_on`: the run works on. Where it only writes the turn's end, such as of a cancelled one, what was said stays.
    """
    wanted = journalled_text(journal)
    message = _message_of(turn_id, shown)
    if message is None:
        if wanted:
            feed.say(wanted)
        return
    text = content_text(message.content)
    feed.resume_message(message.message_id, text, message.ts)
    common = _common_length(text, wanted)
    if goes_on or not text.startswith(wanted):
        feed.reset(common, "recovery")
    if len(wanted) > common:
        feed.say(wanted[common:])


def _common_length(first: str, second: str) -> int:
    """How many characters two texts begin with in common."""
    for index, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return index
    return min(len(first), len(second))


def _message_of(turn_id: str, shown: SessionView | None) -> Message | None:
    if shown is None:
        return None
    for message in reversed(shown.messages):
        if message.turn_id == turn_id and message.role == "assistant":
            return message
    return None
