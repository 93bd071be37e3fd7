"""Answers that leave by channels of somebody else's: leased to bridges, reported by them."""
