"""The vocabulary of Prosa: types, ports and the wire. No I/O, no clock; it imports nothing of ours.

Its neighbours (`agent`, `tools`, `memory`, `metrics`) know only this package, and never each other.
"""
