"""Wrappers around a provider: each is a provider itself, and does one thing to the calls that go through it."""
