"""What the offline provider understands: one typed question, the same words as the tool `sales_query` has.

This is vocabulary only. `grammar` makes a `Fragment` of a text, `thread` completes it to a
`SalesQuestion`, `planner` turns that into tool calls, `speak` turns results into sentences.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

Language = Literal["pt", "en", "es"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

Metric = Literal[
    "revenue",
    "won_deals",
    "lost_deals",
    "closed_deals",
    "open_deals",
    "opportunities",
    "win_rate",
    "average_ticket",
    "days_to_close",
    "open_pipeline_value",
    "list_price",
    "accounts",
    "agents",
    "products",
]
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)
ROSTER: Final[frozenset[Metric]] = frozenset({"list_price", "accounts", "agents", "products"})
"""Metrics that have no time."""

Dimension = Literal[
    "agent",
    "manager",
    "regional_office",
    "product",
    "series",
    "sector",
    "account",
    "country",
    "stage",
    "month",
    "quarter",
    "year",
]
DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)
TIME_DIMENSIONS: Final[frozenset[str]] = frozenset({"month", "quarter", "year"})

Empty = Literal["hide", "show", "only"]
Shape = Literal["figures", "names", "count"]
"""How rows are told: with their figures, as a plain list of names, or only how many there are."""

Assumption = Literal[
    "sales_are_won_revenue",
    "rank_by_revenue",
    "lost_have_no_value",
    "closed_are_won_and_lost",
    "compared_by_revenue",
    "deals_are_won",
    "members_with_won_deals",
]

Topic = Literal[
    "margin",
    "cost",
    "forecast",
    "why",
    "target",
    "people",
    "contact",
    "single_deals",
    "currency",
    "what_if",
    "other_facts",
    "write",
    "market",
]
"""What the data or this provider cannot do; each has its own honest sentence."""

Social = Literal["greeting", "thanks", "goodbye", "capabilities", "identity", "yes", "no"]
Series = Literal["usd_brl", "selic"]


ALL_ROWS: Final = 500
"""The most rows that the tool gives: who counts or lists members must see them all."""


class NameFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Keep (or, with `exclude`, drop) rows whose dimension has one of these values; None: not filled in."""

    dimension: Dimension
    values: tuple[str | None, ...]
    exclude: bool = False


class SalesQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """One call of `sales_query`, and how its answer is told."""

    metrics: tuple[Metric, ...]
    by: tuple[Dimension, ...] = ()
    filters: tuple[NameFilter, ...] = ()
    period: str | None = None
    compare_to: str | None = None
    order_by: str | None = None
    descending: bool = True
    limit: int | None = None
    empty: Empty = "hide"
    rank: int | None = None
    """Tell only the row of this rank, from 1."""
    shape: Shape = "figures"
    share: bool = False
    """Tell each row's part of the sum as well."""
    assumptions: tuple[Assumption, ...] = ()


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A time as it was said; `periods.resolve` makes the tool's form of it.

    relative: `spec` is the tool's own word. previous: the `unit` before the one spoken of.
    back: `unit` counted back from today (`number` 1: yesterday, last week). range: `start` to `end`
    (None: to today). day, month, quarter, half, year: by `number`, of `year` (None: the latest one).
    """

    kind: Literal["relative", "previous", "back", "day", "month", "quarter", "half", "year", "range", "year_before"]
    spec: str | None = None
    unit: str | None = None
    number: int = 0
    month: int = 0
    year: int | None = None
    years_back: int | None = None
    """Of how many years before the current one, where no year is said: "Q3 of last year" is 1."""
    start: Period | None = None
    end: Period | None = None
    open_end: bool = False
    """The end itself is left out: "before June"."""


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """An ordering with, perhaps, a number of rows (None: all)."""

    descending: bool = True
    limit: int | None = None


class Fragment(msgspec.Struct, frozen=True, kw_only=True):
    """What one message says by itself, before the thread fills in what it leaves out."""

    metrics: tuple[Metric, ...] = ()
    by: tuple[Dimension, ...] = ()
    filters: tuple[NameFilter, ...] = ()
    periods: tuple[Period, ...] = ()
    compare: bool = False
    growth: bool = False
    trend: bool = False
    chronological: bool = False
    ranking: Ranking | None = None
    rank: int | None = None
    empty: Empty = "hide"
    shape: Shape | None = None
    share: bool = False
    follow_up: bool = False
    pronoun: bool = False
    asks_number: bool = False
    """It begins with "how many" or "how much"."""
    anaphor: bool = False
    """It asks of what was just told: "how many deals is that?"."""
    any_state: bool = False
    """Deals are counted, and no word says whether they are won, lost or open."""
    whole: bool = False
    """It says "in total": what another clause narrows does not narrow it."""
    joined: bool = False
    """It is joined to the clause before by "and"."""
    assumptions: tuple[Assumption, ...] = ()
    loose: tuple[str, ...] = ()
    """Words that are known but found no place in the question."""

    @property
    def is_blank(self) -> bool:
        """Whether nothing of a question was said."""
        return self == Fragment(follow_up=self.follow_up, anaphor=self.anaphor, whole=self.whole, joined=self.joined)
