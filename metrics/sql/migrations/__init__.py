"""The history of the schema, oldest first; run by `metrics.sql.migrate`."""
