"""What tenants and users may spend in a day."""
