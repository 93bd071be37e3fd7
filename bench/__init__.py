"""How fast Prosa is, measured beside a naive loop in the same run: `make bench`, or `python -m bench --help`.

    orchestrator (__main__, scenarios) ─ starts ─▶ upstream   a fake OpenAI-compatible model (own process)
                                       ─ starts ─▶ systems    direct | naive | naive-redis | prosa
                                       ─ starts ─▶ load       the clients (own process), one run each

The server under test has one core of its own, clients and upstream share the others; repeats of all systems are
interleaved, so that a slow minute of the machine hits all of them. It sees `core` only: Prosa is a process here.
"""
