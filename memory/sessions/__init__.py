"""Names, ownership, views, history and erasure of sessions."""
