"""A real small language model on this machine: SmolLM2 135M, served by llama.cpp. For a demo and for tests.

Not a part of the server, which asks it over HTTP as it would ask any vendor. It proves the way there and back, not a
model's quality: 135 million parameters answer short English questions, know little Portuguese and call no tools. What
it needs is in `requirements.txt` beside this file: the weights (Apache-2.0) come inside a Python package.
"""
