"""Feature flags that are alike on every node."""
