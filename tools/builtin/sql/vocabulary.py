"""What a query may be made of: node types, functions and types of the SQL guard. Lists on purpose.

Left out on purpose: whatever writes, locks, reads files or the catalog, waits, makes rows or long texts out of
nothing (`repeat`, `rpad`, `replace`, `randomblob`, `generate_series`, `string_agg`), regular expressions (they
can take for ever) and JSON, which the tables do not hold.
"""

from __future__ import annotations

from typing import Final

from sqlglot import exp

ALLOWED_NODES: Final[frozenset[type[exp.Expr]]] = frozenset(
    {
        # queries
        exp.Select,
        exp.Union,
        exp.Intersect,
        exp.Except,
        exp.Subquery,
        exp.With,
        exp.CTE,
        exp.From,
        exp.Join,
        exp.Where,
        exp.Group,
        exp.Having,
        exp.Order,
        exp.Ordered,
        exp.Limit,
        exp.Offset,
        exp.Distinct,
        exp.Window,
        exp.WindowSpec,
        exp.Filter,
        exp.WithinGroup,
        # names and values
        exp.Table,
        exp.TableAlias,
        exp.Alias,
        exp.Column,
        exp.Identifier,
        exp.Star,
        exp.Literal,
        exp.Null,
        exp.Boolean,
        exp.Var,
        exp.DataType,
        exp.DataTypeParam,
        exp.Interval,
        exp.Tuple,
        exp.Paren,
        # operators
        exp.And,
        exp.Or,
        exp.Not,
        exp.EQ,
        exp.NEQ,
        exp.GT,
        exp.GTE,
        exp.LT,
        exp.LTE,
        exp.Is,
        exp.NullSafeEQ,
        exp.NullSafeNEQ,
        exp.In,
        exp.Between,
        exp.Like,
        exp.ILike,
        exp.Glob,
        exp.Any,
        exp.Exists,
        exp.Add,
        exp.Sub,
        exp.Mul,
        exp.Div,
        exp.Mod,
        exp.Neg,
        exp.DPipe,
        exp.Anonymous,
        # an argument that sqlglot wraps around the dates of strftime
        exp.TsOrDsToTimestamp,
    }
)
"""Node types; `Anonymous` stands for the functions that `NAMED_FUNCTIONS` lists."""

ALLOWED_FUNCTIONS: Final[frozenset[type[exp.Func]]] = frozenset(
    {
        exp.Sum,
        exp.Avg,
        exp.Count,
        exp.Min,
        exp.Max,
        exp.Stddev,
        exp.Variance,
        exp.Median,
        exp.PercentileCont,
        exp.Round,
        exp.Abs,
        exp.Ceil,
        exp.Floor,
        exp.Sign,
        exp.Sqrt,
        exp.Coalesce,
        exp.Nullif,
        exp.Greatest,
        exp.Least,
        exp.Case,
        exp.If,
        exp.Cast,
        exp.Lower,
        exp.Upper,
        exp.Trim,
        exp.Length,
        exp.Substring,
        exp.Left,
        exp.Right,
        exp.Concat,
        exp.StrPosition,
        exp.TimeToStr,
        exp.TimestampTrunc,
        exp.Extract,
        exp.Date,
        exp.CurrentDate,
        exp.RowNumber,
        exp.Rank,
        exp.DenseRank,
        exp.PercentRank,
        exp.CumeDist,
        exp.Ntile,
        exp.Lag,
        exp.Lead,
        exp.FirstValue,
        exp.LastValue,
    }
)

NAMED_FUNCTIONS: Final[dict[str, frozenset[str]]] = {
    "sqlite": frozenset({"julianday", "date", "total"}),
    "postgres": frozenset({"age", "make_date"}),
}
"""Functions that sqlglot knows by name only."""


ALLOWED_TYPES: Final = frozenset(
    {
        exp.DType.INT,
        exp.DType.BIGINT,
        exp.DType.SMALLINT,
        exp.DType.FLOAT,
        exp.DType.DOUBLE,
        exp.DType.DECIMAL,
        exp.DType.TEXT,
        exp.DType.VARCHAR,
        exp.DType.CHAR,
        exp.DType.DATE,
        exp.DType.TIMESTAMP,
        exp.DType.BOOLEAN,
        exp.DType.INTERVAL,
    }
)
"""What may be cast to. Only `decimal` takes a parameter: `char(10000000)` would pad every row."""
