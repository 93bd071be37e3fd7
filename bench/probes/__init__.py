"""Measurements that are more than a load on a running system: each module is one kind of `Run` (bench/measures.py)."""
