"""Answers that may be given again, on Redis."""
