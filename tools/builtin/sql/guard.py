"""Says whether a statement may run: one SELECT over known tables and columns with known functions. Pure.

The parser alone is no guard (it happily parses `pg_sleep`, `dblink`, `lo_import`), so this is an allow-list of
node types: whatever is not on it, also what a later sqlglot learns to parse, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from core.errors import ToolError
from tools.arguments import nearest
from tools.builtin.sql.policy import SqlPolicy
from tools.builtin.sql.vocabulary import ALLOWED_FUNCTIONS, ALLOWED_NODES, ALLOWED_TYPES, NAMED_FUNCTIONS

_MOST_CHARS: Final = 8_000
_MOST_QUERIES: Final = 20
"""SELECTs in a statement, at any depth."""
_MOST_CONCATENATIONS: Final = 12
"""Each may double a string that a subquery made: 12 are a factor of 4,096."""


def checked_sql(sql: str, policy: SqlPolicy) -> str:
    """Give the statement written anew from its parsed form. Raises ToolError that says what is not allowed."""
    if len(sql) > _MOST_CHARS:
        raise _refused(f"the statement has {len(sql)} characters, at most {_MOST_CHARS} are allowed", policy)
    try:
        statement = _parsed(sql, policy)
        _check(statement, policy)
        return statement.sql(dialect=policy.dialect, comments=False)
    except RecursionError as error:
        raise _refused("the statement is nested too deeply", policy) from error


def _parsed(sql: str, policy: SqlPolicy) -> exp.Expr:
    try:
        statements = [item for item in sqlglot.parse(sql, dialect=policy.dialect) if item is not None]
    except SqlglotError as error:
        reason = str(error).splitlines()[0] if str(error) else "syntax error"
        raise _refused(f"it is not valid {policy.dialect} SQL ({_plain(reason)})", policy) from error
    if len(statements) != 1:
        raise _refused(f"one SELECT is wanted, not {len(statements)} statements", policy)
    statement = statements[0]
    if not isinstance(statement, (exp.Select, exp.SetOperation)):
        raise _refused(f"{_kind(statement)} is not allowed, only one SELECT", policy)
    return statement


def _check(statement: exp.Expr, policy: SqlPolicy) -> None:
    for table in statement.find_all(exp.Table):  # first: an unknown table says more than its unknown columns
        _check_table(table, policy)
    made = _made_names(statement)
    queries = concatenations = 0
    for node in statement.walk():
        _check_kind(node, policy)
        queries += isinstance(node, exp.Select)
        concatenations += _concatenations(node)
        match node:
            case exp.With():
                _check_with(node, policy)
            case exp.Column():
                _check_column(node, made, policy)
            case exp.DataType():
                _check_type(node, policy)
            case exp.Anonymous():
                _check_function(node, policy)
            case _:
                pass
    if queries > _MOST_QUERIES:
        raise _refused(f"{queries} SELECTs in one statement, at most {_MOST_QUERIES} are allowed", policy)
    if concatenations > _MOST_CONCATENATIONS:
        raise _refused(f"more than {_MOST_CONCATENATIONS} concatenations of text", policy)


def _check_kind(node: exp.Expr, policy: SqlPolicy) -> None:
    if type(node) in ALLOWED_NODES or type(node) in ALLOWED_FUNCTIONS:
        return
    if isinstance(node, exp.Func):
        raise _refused(f"the function {node.sql_name().lower()} is not allowed. {_functions()}", policy)
    raise _refused(f"{_kind(node)} is not allowed in a query", policy)


def _check_with(node: exp.With, policy: SqlPolicy) -> None:
    """Refuse recursion, which SQLite allows also without the word RECURSIVE."""
    if node.args.get("recursive"):
        raise _refused("WITH RECURSIVE is not allowed", policy)
    later = {item.alias.lower() for item in node.expressions}
    for item in node.expressions:
        read = {table.name.lower() for table in item.this.find_all(exp.Table)}
        if read & later:
            raise _refused(f"{item.alias!r} reads itself or a later WITH: recursion is not allowed", policy)
        later.discard(item.alias.lower())


def _check_table(node: exp.Table, policy: SqlPolicy) -> None:
    if not isinstance(node.this, exp.Identifier):
        raise _refused("functions are not allowed as tables", policy)
    if node.args.get("db") is not None or node.args.get("catalog") is not None:
        raise _refused(f"{node.sql()[:60]!r}: tables are named without a schema", policy)
    name = node.name.lower()
    if name not in policy.tables and name not in _with_names(node):
        raise _refused(f"the table {node.name[:60]!r} is not allowed{_near(name, list(policy.tables))}", policy)
    if name in policy.tables and name in _with_names(node):
        raise _refused(f"WITH {node.name[:60]!r} hides a table of that name; name it otherwise", policy)


def _check_column(node: exp.Column, made: frozenset[str], policy: SqlPolicy) -> None:
    if node.args.get("db") is not None or node.args.get("catalog") is not None:
        raise _refused(f"{node.sql()[:60]!r}: columns are named table.column at most", policy)
    known = {column for columns in policy.tables.values() for column in columns}
    name = node.name.lower()
    if not isinstance(node.this, exp.Star) and name not in known and name not in made:
        hint = _near(name, sorted(known)) or " (text is written in single quotes)"
        raise _refused(f"the column {node.name[:60]!r} is not known{hint}", policy)


def _check_type(node: exp.DataType, policy: SqlPolicy) -> None:
    padded = bool(node.expressions) and node.this is not exp.DType.DECIMAL
    if node.this not in ALLOWED_TYPES or padded:
        raise _refused(f"a cast to {node.sql(dialect=policy.dialect)[:40]} is not allowed", policy)


def _check_function(node: exp.Anonymous, policy: SqlPolicy) -> None:
    if str(node.this).lower() not in NAMED_FUNCTIONS[policy.dialect]:
        raise _refused(f"the function {str(node.this)[:40].lower()!r} is not allowed. {_functions()}", policy)


def _made_names(statement: exp.Expr) -> frozenset[str]:
    """Names that the statement itself gives to columns."""
    return frozenset(name.lower() for node in statement.walk() for name in _names_made_by(node))


def _names_made_by(node: exp.Expr) -> Iterator[str]:
    match node:
        case exp.Alias():
            yield node.alias
        case exp.TableAlias():
            yield from (column.name for column in node.columns)
        case _:
            return


def _with_names(node: exp.Expr) -> frozenset[str]:
    """The names of all WITHs around a table."""
    names: set[str] = set()
    current: exp.Expr | None = node
    while current is not None:
        clause = current.args.get("with_")
        if isinstance(clause, exp.With):
            names.update(item.alias.lower() for item in clause.expressions)
        current = current.parent
    return frozenset(names)


def _concatenations(node: exp.Expr) -> int:
    match node:
        case exp.DPipe():
            return 1
        case exp.Concat():
            return len(node.expressions)
        case _:
            return 0


def _near(name: str, known: list[str]) -> str:
    words = nearest(name, known, count=1)
    return f" (did you mean {words[0]}?)" if words else ""


def _functions() -> str:
    names = sorted({item.sql_name().lower() for item in ALLOWED_FUNCTIONS})
    return f"Functions: {', '.join(names)}."


def _kind(node: exp.Expr) -> str:
    if isinstance(node, exp.Command):
        return str(node.this).upper()[:40]
    return type(node).__name__.upper()


def _plain(text: str) -> str:
    """The parser marks the place of an error with terminal colours."""
    return text.replace("\x1b[4m", "").replace("\x1b[0m", "")[:160].rstrip(". ")


def _refused(what: str, policy: SqlPolicy) -> ToolError:
    return ToolError(f"Not run: {what.rstrip('.')}. Tables: {policy.schema()}.", code="invalid_request")
