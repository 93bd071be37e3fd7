"""Read-only SQL for models: a guard that reads the statement, and readers that run it on connections that cannot write.

Three lines of defence, each enough for most attacks: the statement is parsed and every node, function, table and
column must be on an allow-list (`guard`); what runs is the text written anew from that tree, without comments; and
the connection is read-only with an authorizer or role, a time limit and caps (`sqlite`, `postgres`).
"""

from tools.builtin.sql.policy import SqlPolicy
from tools.builtin.sql.reading import SqlLimits, SqlReader, SqlRows
from tools.builtin.sql.tool import SqlTool, reader_for

__all__ = ["SqlLimits", "SqlPolicy", "SqlReader", "SqlRows", "SqlTool", "reader_for"]
