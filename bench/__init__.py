"""How fast Prosa is, measured beside a naive loop in the same run: `make bench`, or `python -m bench --help`.

    orchestrator (__main__, scenarios) ─ starts ─▶ upstream   a fake OpenAI-compatible model (own process)
                                       ─ starts ─▶ systems    direct | naive | naive-redis | prosa | from outside
                                       ─ starts ─▶ load       the clients (own process), one run each; loading reads it
                                       ─ runs ───▶ probes     what is more than a load: idle, fan-out, appends, start...
    result file (report) ─▶ tables (terminal), bars (what must be reached), page and plots (docs/performance.md)
    budget: where a token's time goes, layer by layer

The server under test has one core of its own, clients and upstream share the others; repeats of all systems are
interleaved, so that a slow minute of the machine hits all of them. It sees `core` only: Prosa is a process here.
"""
