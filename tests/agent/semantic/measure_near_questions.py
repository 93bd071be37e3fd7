"""What vectors alone say of the near questions, and what is left of it behind the guard: `python -m` this module.

The vectors are of a real model over `POST /embeddings`: SmolLM2, the means of its last layer, in llama.cpp (the packages of
`deploy/local_model`). It was not made for this; a model that was tells more apart, yet the same kinds are near in it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import xllamacpp

from agent.providers.embeddings import OpenAIEmbedder
from agent.semantic.guard import agree, meaning
from agent.semantic.vectors import cosine
from deploy.local_model.model_server import find_weights
from tests.agent.semantic.test_near_questions_guard import PAIRS, Pair

THRESHOLDS: Final = (0.9, 0.95, 0.98)


def serve() -> xllamacpp.Server:
    """The model, giving vectors, until the object is gone."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(find_weights())
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    parameters.n_ctx, parameters.n_parallel, parameters.verbosity = 2048, 1, -1
    return xllamacpp.Server(parameters)


async def nearness() -> dict[Pair, float]:
    """The cosine of each pair."""
    server = serve()
    address = f"{server.listening_address}/v1"
    embedder = OpenAIEmbedder(model="smollm2", api_key="", base_url=address, provider="local")
    made = await embedder.embed([text for pair in PAIRS for text in (pair.one, pair.other)])
    await embedder.close()
    vectors = iter(made.vectors)
    return {pair: cosine(next(vectors), next(vectors)) for pair in PAIRS}


def main() -> None:
    """Print a line a threshold: of how many pairs each kind would be answered alike, without and with the guard."""
    near = asyncio.run(nearness())
    lines = [
        f"{'threshold':>9} {'must not hit':>20} {'may hit':>20}",
        *(
            f"{threshold:9.2f}{_kind(near, threshold, may_hit=False)}{_kind(near, threshold, may_hit=True)}"
            for threshold in THRESHOLDS
        ),
    ]
    began = time.perf_counter()
    for pair in PAIRS:
        meaning(pair.one)
    lines.append(f"the guard: {(time.perf_counter() - began) / len(PAIRS) * 1e6:.0f} µs a question")
    print("\n".join(lines))  # noqa: T201


def _kind(near: dict[Pair, float], threshold: float, *, may_hit: bool) -> str:
    kind = [pair for pair in PAIRS if pair.may_hit is may_hit]
    alone = [pair for pair in kind if near[pair] >= threshold]
    guarded = [pair for pair in alone if agree(pair.one, pair.other)]
    return f"{f'{len(alone)} -> {len(guarded)} of {len(kind)}':>21}"


if __name__ == "__main__":
    main()
