"""Who serves models: one module per vendor behind `core.ports.Provider`, and `scripted`, the double for tests."""
