"""Chainlit as its users write it: one handler that streams from the openai SDK. Run by `chainlit run`.

The environment says where the model is: OPENAI_BASE_URL, OPENAI_API_KEY.
"""

from __future__ import annotations

import chainlit
from openai import AsyncOpenAI

model = AsyncOpenAI(max_retries=0)


async def answer(question: chainlit.Message) -> None:
    """Answer one message, token by token."""
    reply = chainlit.Message(content="")
    stream = await model.chat.completions.create(
        model="fake", messages=[{"role": "user", "content": question.content}], stream=True
    )
    async for chunk in stream:
        if chunk.choices and (token := chunk.choices[0].delta.content):
            await reply.stream_token(token)
    await reply.update()


chainlit.on_message(answer)
