"""`POST /chat` of a node whose model is the scripted provider, in its own process: what the server itself costs."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import msgspec

from bench.load import Load
from bench.loading import measure, sample_of
from bench.measures import Place, Sample
from bench.processes import Process, free_port
from bench.systems import System, prosa_environment
from bench.valkey import start_valkey


class ScriptedChatRun(msgspec.Struct, frozen=True):
    """The node is started for each run; a short load before the one that counts warms it up."""

    load: Load

    def __call__(self, place: Place, system: str, name: str) -> Sample:
        """Run the load."""
        folder, port = place.own_folder(name), free_port()
        with ExitStack() as stack:
            valkey = start_valkey(stack, place.cores, folder, "chat")
            environment = {
                **prosa_environment(port, place.upstream, valkey.url, folder / "data"),
                "LLM_MODEL": "scripted:bench",
                "BENCH_TOKENS": str(self.load.tokens),
            }
            process = stack.enter_context(
                Process(
                    [sys.executable, "-m", "tests.bench.scripted_node"],
                    cores=place.cores.server,
                    log=folder / "log",
                    environment=environment,
                )
            )
            process.wait_for_port(port)
            node = System(name=system, title="", dialect="prosa", port=port, process=process, redis=valkey)
            measure(node, msgspec.structs.replace(self.load, duration_s=0.5), f"{name}w", place.cores)
            return sample_of(measure(node, self.load, name, place.cores))
