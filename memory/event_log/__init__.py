"""One append-only log a session: its scripts, the fold that reads it, and the hub that fans it out."""
