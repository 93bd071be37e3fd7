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
model only; a model that does not reason is not asked for them. Calls are taken from whole items, known by their place
in the response. A wrapper that the models now and then call although nobody offered it (`multi_tool_use.parallel`) is
unrolled into the calls that it holds; Chat Completions get the same. There is no `[DONE]`: a response that neither
completed, failed nor was left incomplete is cut.""",
}
"""By the double's name, in Markdown."""
