"""Turns: accepted, taken under a lease, journalled, ended; one at a time a session, fairly between tenants."""
