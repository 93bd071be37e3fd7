"""How an answer is made: a pure loop that decides, a runner that does what it decides, and the providers of models.

It knows only `core`; tools, memory and metrics come in through `core.ports`.
"""
