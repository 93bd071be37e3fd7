"""The held-out conversations, their answers by SQL over the raw files, and what is wrong with a reply.

`holdout.jsonl` has a conversation a line: `id`, `lang` and `turns`, each with `question`, the `sql` over the view `d`
that answers it (empty: the data cannot), `answer` (every value of its rows that a reply must hold: figures, and names
of agents, managers, accounts and products) and, for a list of a given length, its `rows`.
"""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from pathlib import Path
from typing import Any, Final

from tests.agent.offline.talk import Reply, Talk

RAW: Final = Path(__file__).parents[3] / "tools/builtin/sales/data"
HOLDOUT: Final[list[dict[str, Any]]] = [
    json.loads(line) for line in Path(__file__).with_name("holdout.jsonl").read_text("utf-8").splitlines()
]
TOLERANCE: Final = 0.0015
"""Of the answer: replies round to cents and hundredths of a percent."""
NAMED: Final = ("sales_teams.sales_agent", "sales_teams.manager", "accounts.account", "products.product")

_DEALS: Final = """
create view d as
select p.sales_agent agent, t.manager, t.regional_office office, r.product, r.series, r.sales_price + 0.0 price,
       p.account, replace(a.sector, 'technolgy', 'technology') sector,
       replace(a.office_location, 'Philipines', 'Philippines') country,
       p.deal_stage stage, p.engage_date engage, p.close_date close, p.close_value + 0.0 value,
       substr(p.close_date, 1, 7) month, 'Q' || ((substr(p.close_date, 6, 2) + 2) / 3) quarter
from sales_pipeline p
left join sales_teams t using (sales_agent)
left join products r on r.product = replace(p.product, 'GTXPro', 'GTX Pro')
left join accounts a on a.account = p.account
"""


def raw_sales() -> sqlite3.Connection:
    """Load the raw files as they are, empty text as NULL, and lay the view `d` (a deal a row) over them."""
    connection = sqlite3.connect(":memory:")
    for table in ("accounts", "products", "sales_teams", "sales_pipeline"):
        with (RAW / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        connection.execute(f"create table {table} ({', '.join(header)})")
        marks = ", ".join("?" for _ in header)
        values = [[value or None for value in row] for row in rows]
        connection.executemany(f"insert into {table} values ({marks})", values)
    connection.execute(_DEALS)
    return connection


def answer_by_sql(connection: sqlite3.Connection, turn: dict[str, Any]) -> list[Any] | None:
    """Give every figure and every name of the rows that a turn's SQL gives; None where the data cannot answer."""
    columns = [each.split(".") for each in NAMED]
    names = {name for table, column in columns for (name,) in connection.execute(f"select {column} from {table}")}
    values = [value for sql in turn["sql"] for row in connection.execute(sql) for value in row]
    kept = [value for value in values if (value in names if isinstance(value, str) else value is not None)]
    return [round(value, 6) if isinstance(value, float) else value for value in kept] if turn["sql"] else None


async def faults_in(talk: Talk, turns: list[dict[str, Any]], refused: frozenset[str]) -> list[str]:
    """Hold a conversation and say what is wrong with each reply; what is `refused` must be so without a number."""
    found = []
    for turn in turns:
        reply = await talk.say(turn["question"])
        honest = turn["answer"] is None or turn["question"] in refused
        faults = _answered(reply) if honest else _lacking(reply, turn)
        found += [f"{turn['question']} -> {fault}" for fault in faults]
    return found


def _answered(reply: Reply) -> list[str]:
    digits = any(sign.isdigit() for sign in reply.text)
    return [f"is not refused: {reply.queries} {reply.text}"] if digits or reply.queries else []


def _lacking(reply: Reply, turn: dict[str, Any]) -> list[str]:
    missing = [value for value in turn["answer"] if not _holds(reply.text, value)]
    found = [f"lacks {missing}: {reply.queries} {reply.text}"] if missing else []
    rows = sum(line.startswith("|") for line in reply.text.splitlines()) - 2
    if turn.get("rows", rows) != rows:
        found.append(f"has {rows} rows for {turn['rows']}: {reply.queries}")
    return found


def _holds(text: str, value: Any) -> bool:
    if isinstance(value, str):
        return value.casefold() in text.casefold()
    return any(abs(number - abs(value)) <= TOLERANCE * abs(value) for number in _numbers(text))


def _numbers(text: str) -> list[float]:
    """Read every number of a text, as Portuguese and as English write it."""
    found = re.findall(r"\d[\d.,]*\d|\d", text)
    both = [(each.replace(".", "").replace(",", "."), each.replace(",", "")) for each in found]
    return [float(each) for pair in both for each in pair if re.fullmatch(r"\d+(\.\d+)?", each)]
