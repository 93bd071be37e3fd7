"""The SQL guard by itself: what passes, and hostile statements that do not, in both dialects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ToolError
from tools.builtin.sales.sql import sales_policy
from tools.builtin.sql.guard import checked_sql

SQLITE = sales_policy("sqlite")
POSTGRES = sales_policy("postgresql")
POLICIES = [pytest.param(SQLITE, id="sqlite"), pytest.param(POSTGRES, id="postgres")]

HOSTILE = {
    "insert": ("INSERT INTO accounts (account) VALUES ('x')", "INSERT"),
    "update": ("UPDATE products SET sales_price = 0", "UPDATE"),
    "delete": ("DELETE FROM sales_pipeline", "DELETE"),
    "drop": ("DROP TABLE accounts", "DROP"),
    "create": ("CREATE TABLE x (a int)", "CREATE"),
    "alter": ("ALTER TABLE accounts ADD COLUMN x int", "ALTER"),
    "truncate": ("TRUNCATE TABLE accounts", "TRUNCATE"),
    "pragma": ("PRAGMA writable_schema = 1", "not allowed|not valid"),
    "attach": ("ATTACH DATABASE '/etc/passwd' AS x", "ATTACH|not valid"),
    "vacuum_into": ("VACUUM INTO '/tmp/x.db'", "VACUUM|not allowed|not valid"),
    "copy": ("COPY accounts TO '/tmp/x'", "COPY"),
    "set": ("SET ROLE postgres", "SET"),
    "begin": ("BEGIN", "TRANSACTION|BEGIN"),
    "explain": ("EXPLAIN SELECT 1", "not allowed|DESCRIBE"),
    "call": ("CALL something()", "CALL|not allowed"),
    "do_block": ("DO $$ BEGIN PERFORM 1; END $$", "not"),
    "nothing": ("", "not 0 statements"),
    "only_a_comment": ("-- hello", "not 0 statements"),
    "not_sql": ("how much did we sell?", "not"),
    "two_statements": ("SELECT 1; SELECT 2", "not 2 statements"),
    "second_statement_after_a_comment": ("SELECT 1 /* ; */; DROP TABLE accounts", "not 2 statements"),
    "writing_with": ("WITH x AS (DELETE FROM accounts RETURNING account) SELECT account FROM x", "DELETE"),
    "select_into": ("SELECT account INTO stolen FROM accounts", "stolen"),
    "locking": ("SELECT account FROM accounts FOR UPDATE", "LOCK|not valid"),
    "catalog_sqlite": ("SELECT sql FROM sqlite_master", "sqlite_master"),
    "catalog_postgres": ("SELECT usename FROM pg_shadow", "pg_shadow"),
    "catalog_by_schema": ("SELECT account FROM information_schema.accounts", "without a schema"),
    "other_table": ("SELECT 1 FROM turns", "turns"),
    "pragma_function": ("SELECT name FROM pragma_table_info('accounts')", "functions are not allowed as tables|not"),
    "file_function_as_table": ("SELECT 1 FROM pg_ls_dir('/')", "functions are not allowed as tables|not"),
    "rows_out_of_nothing": ("SELECT 1 FROM generate_series(1, 1000000000)", "not"),
    "sleep": ("SELECT pg_sleep(100)", "pg_sleep"),
    "sleep_by_schema": ("SELECT pg_catalog.pg_sleep(100)", "DOT|pg_sleep"),
    "sleep_in_a_filter": ("SELECT account FROM accounts WHERE pg_sleep(9) IS NULL", "pg_sleep"),
    "sleep_in_order": ("SELECT account FROM accounts ORDER BY pg_sleep(9)", "pg_sleep"),
    "dblink": ("SELECT dblink('host=evil', 'SELECT 1')", "dblink"),
    "large_object": ("SELECT lo_import('/etc/passwd')", "lo_import"),
    "read_file": ("SELECT pg_read_file('/etc/passwd')", "pg_read_file"),
    "readfile": ("SELECT readfile('/etc/passwd')", "readfile"),
    "load_extension": ("SELECT load_extension('/tmp/x.so')", "load_extension"),
    "set_config": ("SELECT set_config('role', 'postgres', false)", "set_config"),
    "current_setting": ("SELECT current_setting('data_directory')", "current_setting"),
    "version": ("SELECT version()", "version"),
    "who_am_i": ("SELECT current_user", "not allowed|not known"),
    "big_blob": ("SELECT randomblob(1000000000)", "randomblob"),
    "zero_blob": ("SELECT zeroblob(1000000000)", "zeroblob"),
    "repeat": ("SELECT repeat('x', 1000000000)", "repeat"),
    "printf": ("SELECT printf('%1000000000d', 1)", "printf|format"),
    "regular_expression": ("SELECT account FROM accounts WHERE account ~ '(a+)+$'", "REGEXP|regexp|not"),
    "padding_cast": ("SELECT CAST(account AS CHAR(10000000)) FROM accounts", "cast"),
    "catalog_cast": ("SELECT CAST('pg_shadow' AS regclass)", "cast|not valid|OBJECTIDENTIFIER"),
    "recursion": (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
        "RECURSIVE",
    ),
    "recursion_without_the_word": (
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
        "recursion",
    ),
    "recursion_in_a_circle": (
        "WITH a AS (SELECT 1 AS i FROM b), b AS (SELECT i FROM a) SELECT i FROM b",
        "recursion",
    ),
    "a_table_hidden_by_with": ("WITH accounts AS (SELECT 1 AS account) SELECT account FROM accounts", "hides"),
    "unknown_column": ("SELECT password FROM accounts", "password"),
    "row_id": ("SELECT rowid FROM accounts", "rowid"),
    "system_column": ("SELECT ctid FROM accounts", "ctid"),
    "whole_row": ("SELECT a FROM accounts AS a", "not known"),
    "parameter": ("SELECT account FROM accounts WHERE account = $1", "not allowed|not known"),
    "placeholder": ("SELECT account FROM accounts WHERE account = ?", "not allowed|not valid"),
    "sampling": ("SELECT account FROM accounts TABLESAMPLE SYSTEM (1)", "TABLESAMPLE|not valid"),
    "too_long": ("SELECT 1 " + "+ 1" * 5_000, "characters"),
    "too_deep": ("SELECT " + "(" * 3_000 + "1" + ")" * 3_000, "nested|not valid"),
    "too_many_queries": ("SELECT 1" + " UNION ALL SELECT 1" * 30, "SELECTs"),
    "doubling_text": ("SELECT " + " || ".join(["account"] * 20) + " FROM accounts", "concatenations"),
    "doubling_text_by_concat": (f"SELECT concat({', '.join(['account'] * 20)}) FROM accounts", "concatenations"),
}

GOOD = {
    "joins": "SELECT t.manager, SUM(p.close_value) AS revenue FROM sales_pipeline AS p "
    "LEFT JOIN sales_teams AS t USING (sales_agent) WHERE p.deal_stage = 'Won' GROUP BY t.manager ORDER BY revenue DESC",
    "window": "SELECT sales_agent, RANK() OVER (PARTITION BY product ORDER BY SUM(close_value) DESC) AS place "
    "FROM sales_pipeline GROUP BY sales_agent, product",
    "chained_with": "WITH a AS (SELECT account FROM accounts), b AS (SELECT account FROM a) SELECT COUNT(*) FROM b",
    "union": "SELECT account FROM accounts UNION SELECT product FROM products ORDER BY 1 LIMIT 5",
    "case_and_cast": "SELECT CASE WHEN employees > 1000 THEN 'big' ELSE 'small' END AS size, "
    "CAST(AVG(revenue) AS INTEGER) AS mean FROM accounts GROUP BY 1",
    "not_exists": "SELECT t.sales_agent FROM sales_teams AS t WHERE NOT EXISTS "
    "(SELECT 1 FROM sales_pipeline AS p WHERE p.sales_agent = t.sales_agent)",
    "star": "SELECT * FROM products",
    "values_with_quotes": "SELECT account FROM accounts WHERE account = 'O''Brien; DROP TABLE accounts'",
    "trailing_semicolon": "SELECT 1;",
    "upper_case_names": "SELECT ACCOUNT FROM ACCOUNTS",
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_statement_is_refused_with_what_is_wrong_and_the_schema(name: str, policy: object) -> None:
    sql, reason = HOSTILE[name]

    with pytest.raises(ToolError, match=f"(?s)Not run: .*({reason}).*Tables: accounts") as caught:
        checked_sql(sql, policy)

    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", GOOD)
def test_a_reading_statement_passes(name: str, policy: object) -> None:
    assert checked_sql(GOOD[name], policy).upper().startswith(("SELECT", "WITH"))


@pytest.mark.parametrize("policy", POLICIES)
def test_comments_do_not_reach_the_database(policy: object) -> None:
    written = checked_sql("SELECT /* secret */ account -- more\nFROM accounts /*! evil */", policy)

    assert written == "SELECT account FROM accounts"


def test_a_misspelled_name_is_answered_by_the_nearest() -> None:
    with pytest.raises(ToolError, match="did you mean close_value"):
        checked_sql("SELECT SUM(closed_value) FROM sales_pipeline", SQLITE)
    with pytest.raises(ToolError, match="did you mean sales_pipeline"):
        checked_sql("SELECT 1 FROM sale_pipeline", SQLITE)


def test_a_refused_function_is_answered_by_those_that_are_allowed() -> None:
    with pytest.raises(ToolError, match=r"group_concat is not allowed\. Functions: abs, avg"):
        checked_sql("SELECT group_concat(account) FROM accounts", SQLITE)


def written_or_refused(sql: str) -> str:
    try:
        return checked_sql(sql, POSTGRES)
    except ToolError as error:
        return error.message


@given(sql=st.text(max_size=200))
def test_any_text_passes_as_one_select_or_is_refused(sql: str) -> None:
    assert written_or_refused(sql).lstrip("(").upper().startswith(("SELECT", "WITH", "NOT RUN: "))
