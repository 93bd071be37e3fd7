"""What is said in English."""

from __future__ import annotations

from typing import Final

from agent.providers.offline.speech import Speech

_EXAMPLES: Final = (
    "- “How much did we sell last month?”\n"
    "- “Who are the best agents in the East?”\n"
    "- “Win rate by quarter”\n"
    "- “Compare October with November”\n"
    "- “How many open opportunities have no account?”"
)

SPEECH: Final = Speech(
    language="en",
    mark="_Offline demo_",
    thousands=",",
    decimal=".",
    metrics={
        "revenue": "revenue",
        "won_deals": "won deals",
        "lost_deals": "lost deals",
        "closed_deals": "closed deals (won and lost)",
        "open_deals": "open opportunities",
        "opportunities": "opportunities",
        "win_rate": "win rate",
        "average_ticket": "average won deal",
        "days_to_close": "average time to close",
        "open_pipeline_value": "open pipeline at list price",
        "list_price": "list price",
        "accounts": "customers",
        "agents": "sales agents",
        "products": "products",
    },
    dimensions={
        "agent": "agent",
        "manager": "manager",
        "regional_office": "region",
        "product": "product",
        "series": "series",
        "sector": "sector",
        "account": "customer",
        "country": "country",
        "stage": "stage",
        "month": "month",
        "quarter": "quarter",
        "year": "year",
    },
    plurals={
        "agent": "agents",
        "manager": "managers",
        "regional_office": "regions",
        "product": "products",
        "series": "series",
        "sector": "sectors",
        "account": "customers",
        "country": "countries",
        "stage": "stages",
        "month": "months",
        "quarter": "quarters",
        "year": "years",
    },
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    whole_time="over the whole period",
    in_month="in {month_name} {year}",
    in_quarter="in Q{quarter} {year}",
    in_year="in {year}",
    on_day="on {day}",
    from_to="from {first} to {last}",
    day="{day} {month_name} {year}",
    days="{value} days",
    nothing="no value",
    not_filled="not filled in",
    highest="Highest",
    lowest="Lowest",
    most="Most",
    fewest="Fewest",
    ranked="Number {rank} in",
    heading="{what}{by}{names}{time}:",
    by=" by {dimensions}",
    conjunction=" and ",
    only_with=" ({dimension}: {values})",
    excluding=" (without {dimension}: {values})",
    single="{what}{names}{time}: **{value}**.",
    winner="{order} {what}{by}{names}{time}: **{member}**, with **{value}**.",
    compared="{what}{names}{time}: **{value}**; {other_time}: **{other}**. Change: **{change}**.",
    change="change",
    before="before",
    share="share of total",
    counted="**{count}** {members}{names}{time}:",
    members="{members}{names} ({count}):",
    members_without="{members} without {what}{names}{time} ({count}):",
    no_rows="There are no records for this question: {what}{by}{names}{time}.",
    fewer_rows="There are fewer than {rank} places in this list.",
    cut="The list was cut: there are more rows than shown.",
    failed="I could not query the data just now, so I have no figure to give. Please try again in a moment.",
    unknown_name=(
        "The sales tool refused the query, so I have no figure to give. Please check the names and the period."
    ),
    market="{name} ({date}): **{value}**.",
    market_stale=" (last known value; the source does not answer now)",
    market_failed="I could not look up the market figure just now, so I have no figure to give.",
    assumptions={
        "sales_are_won_revenue": "I took “sales” as the revenue of won deals.",
        "rank_by_revenue": "Ordered by the revenue of won deals.",
        "lost_have_no_value": "Lost deals have no recorded value, so I count them.",
        "members_with_won_deals": "Counted are those with won deals.",
        "deals_are_won": "Taken as won deals.",
        "compared_by_revenue": "Compared by the revenue of won deals.",
        "closed_are_won_and_lost": "“Closed” means won plus lost.",
    },
    notes={
        "open": (
            "Open opportunities have no close date: the period goes by the date of engagement, and prospecting "
            "ones have no date at all."
        ),
        "engaged": (
            "Counted by the date of engagement; opportunities in prospecting have no date and are outside the period."
        ),
    },
    social={
        "greeting": (
            "Hello! I am the offline demo: not a language model, but I do query the sales data. Ask, for "
            "example, “How much did we sell last month?”."
        ),
        "thanks": "You are welcome! Ask more about the sales whenever you like.",
        "goodbye": "Goodbye!",
        "capabilities": (
            "I am the offline demo. I answer questions about sales (totals, counts, averages, win rate, rankings "
            "and comparisons) by agent, manager, product, series, region, sector, customer, country, stage, "
            "month, quarter or year. For example:\n"
        )
        + _EXAMPLES
        + (
            "\n\nAnd I keep the thread: “and the month before?”, “and by agent?”, “only the technology sector”. "
            "With an API key, a language model takes over."
        ),
        "identity": (
            "I am the offline demo: a small planner that understands common sales questions and queries the "
            "data. I am neither a person nor a language model."
        ),
        "yes": "All right. What would you like to know about the sales?",
        "no": "No problem. Ask about the sales whenever you like.",
    },
    topics={
        "margin": "I cannot answer that: the data has no costs, so there is no margin or profit.",
        "cost": "I cannot answer that: the data has no costs, expenses, discounts or commissions.",
        "forecast": "I cannot answer that: the data only shows what has happened, and I make no forecasts.",
        "why": "I cannot answer that: the data shows what happened, not why.",
        "target": "I cannot answer that: the data has no targets or budgets.",
        "people": "I cannot answer that: of the agents, the data only has name, manager and region.",
        "contact": "I cannot answer that: the data has no contacts or addresses.",
        "single_deals": "This demo does not list single deals, only totals and groupings.",
        "currency": "I cannot answer that: all amounts are in US dollars, and I do not convert them.",
        "what_if": "I cannot answer that: I run no simulations.",
        "other_facts": "I cannot answer that: it is not in the sales data.",
        "write": "I cannot do that: I change no data and send nothing.",
        "market": "I cannot answer that: looking up market figures is not connected here.",
    },
    instead=(
        "I am the offline demo; I can tell, for example, revenue, average deal or win rate by product, agent or region."
    ),
    unclear={
        "words": "I did not understand “{words}”, and would rather not guess a figure.",
        "words_hidden": "I did not understand part of the question, and would rather not guess a figure.",
        "metric": "I understood whom or when you mean, but not what to measure.",
        "dimension": "I understood that you want an order, but not among whom: agents, products, regions?",
        "pronoun": "I do not know whom you mean. Please say the name.",
        "nothing": "I did not understand this as a question about sales.",
        "too_long": "The message is too long for this demo. Please ask a short question.",
        "no_tools": "I have no access to the sales data in this conversation.",
        "market_time": "Of this market figure I can tell the latest value, or that of one day, said with its year.",
        "per_group": "I cannot pick the first ones within each group. I can list everything, or order by one of them: agents, products, regions.",
        "timeless": "Customers, agents, products and list prices have no date in the data, so I cannot tell them by period.",
        "lost": "I could not find out the reference date of the data. Please say the month with its year.",
    },
    guess="What I understood: {question}. Answer “yes” to see that, or ask in another way, for example:",
    ask="I am the offline demo and understand questions such as:\n" + _EXAMPLES,
)
