"""What each vendor's dialect needs of its provider, in a paragraph each: for docs/providers.md."""

from __future__ import annotations

from typing import Final

DIALECTS: Final[dict[str, str]] = {
    "openai": """\
Chat Completions, `OPENAI_API_KEY` and perhaps `OPENAI_BASE_URL`. Calls come in fragments that are put together by id
and index, neither of which is trusted; what counts is which calls are there, not what the finish reason says. Usage
comes in a last chunk that has no choices. An error may come in a stream whose status was 200, and `429` may mean that
nobody paid, which no waiting heals. Models of this API forget their thoughts between the steps of a turn. Pictures go
as `image_url` parts, the schema of an answer as `response_format`; neither it nor the tools are `strict`, which would
take only schemas whose every field is required.""",
    "openai-responses": """\
The Responses API, with the same key and address. Nothing is stored at the vendor (`store: false`): a reasoning model's
thoughts come encrypted, are kept with the step that they led to, and go back unchanged in their place, to the same
model only; a model that does not reason is not asked for them, and a request that is refused for them goes once more
without. Calls are taken from whole items, known by their place
in the response. A wrapper that the models now and then call although nobody offered it (`multi_tool_use.parallel`) is
unrolled into the calls that it holds; Chat Completions get the same. There is no `[DONE]`: a response that neither
completed, failed nor was left incomplete is cut.""",
    "anthropic": """\
The Messages API, `ANTHROPIC_API_KEY`. A message is a row of blocks, and what goes out must take turns to the letter:
the results of all calls open the very next message, each id once, and no text is empty; what a history of another
vendor lacks for that is made good. Thoughts are signed for all that was before them, so they go back unchanged in
their place, and only where nothing before them has changed. `max_tokens` is always sent, a temperature only to models
that take one. Input is three numbers at this vendor, for what was read from and written to its cache stands apart; ours
is their sum, once. A call that the token limit cut has no end of its block, and is not given. What its JSON Schema
does not know goes into descriptions.""",
    "google": """\
Gemini's own API, `GEMINI_API_KEY`. The finish reason is STOP also for calls, ids may be missing, usage is cumulative in
any chunk, thoughts are counted beside the answer's tokens, and nothing says that all was sent. Thought signatures go
back in the part that they came with, or the next request is refused; a call of another vendor's model gets the word
that Google gives out for it. The answers to all calls of a turn go in one turn, in their order. JSON Schema is turned
into the part of it that Google reads, references put in place. A blocked prompt has no answer at all; a call that came
out malformed is an error worth another try.""",
    "ollama": """\
Its own API, not the compatible one: only here can the context be set (`OLLAMA_CONTEXT_TOKENS`), and a prompt that is
too long be refused, which the compatible one cuts at its start without a word. A line of JSON a piece, calls whole, and
`done_reason` is `stop` also for them. Errors are a sentence of English, which is read but never repeated. It fetches no
pictures: they come as data. It wants no key.""",
    "compatible": """\
Any server that speaks Chat Completions, declared in `LLM_PROVIDERS`: vLLM, Groq, OpenRouter, Mistral, DeepSeek,
llama.cpp, LM Studio and others. Its double answers each behaviour with another quirk that one of them was seen with:
comments between events, every call at index 0, empty ids on later fragments, content as a list of parts, usage in any
chunk or in none, finish reasons of their own or none at all, an error as a text, as a status in a stream, or without
its wrapping. What came as `reasoning_content` before a call goes back with it, for DeepSeek and Kimi refuse the next
request without it; `api.mistral.ai` gets other vendors' ids as the nine letters and digits that it takes.""",
}
"""By the double's name, in Markdown."""
