"""Which answers of a history were done again, where the books do not say it yet (protocol.md, `replaced_by`)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.messages import Message


def replacing(ordered: Sequence[Message], shown: Sequence[Message]) -> list[Message]:
    """The messages, with `replaced_by` on each answer whose retry is shown already.

    `ordered`: oldest first, of the books and the view together; `shown`: the view. An answer from the books to a
    question that the view shows, but with another turn, has left the view: a retry took its place. The books say so
    themselves once the retry is recorded; a retry that has not begun its message leaves the old answer as it is.
    """
    turns = {message.message_id: message.turn_id for message in shown}
    answers = {message.turn_id: message.message_id for message in shown if message.role == "assistant"}
    marked: list[Message] = []
    asked_in = ""
    for message in ordered:
        if message.role == "user":
            asked_in = turns.get(message.message_id, "")
        elif message.role == "assistant" and message.message_id not in turns and message.replaced_by is None:
            message = msgspec.structs.replace(message, replaced_by=answers.get(asked_in))
        marked.append(message)
    return marked
