"""Long-lived facts in SQL: SQLite by default, Postgres by URL, one schema and one code path."""

from metrics.sql.books import SqlBooks
from metrics.sql.engine import open_engine
from metrics.sql.keys import ApiKey, ApiKeys, hash_secret
from metrics.sql.migrate import migrate
from metrics.sql.opening import open_books

__all__ = ["ApiKey", "ApiKeys", "SqlBooks", "hash_secret", "migrate", "open_books", "open_engine"]
