"""What is remembered: sessions, their event logs, turns and the books' outbox, on Redis or the embedded Valkey.

`memory.backends.open_memory` is the only chooser; everything else is behind the seams of `core/ports.py`.
Scripts lie beside their adapter as `.lua`; what several of them share is in `memory/lua`.
"""
