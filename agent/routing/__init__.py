"""Which model answers, and what happens when it does not: small wrappers around one `Provider`, each a file.

    Router ─▶ Route: candidates in order, with the reason
                 │
    Fallback [ Retrying [ Breaker [ Metered [ a vendor's provider ]]], … ]

`router` decides, by `policy`, experiment and flags; the wrappers carry it out. Each takes and gives what a provider
does, so each works alone, and a test may put any of them around a scripted model.
"""
