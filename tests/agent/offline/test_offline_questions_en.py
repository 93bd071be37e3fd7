"""Everyday questions in English, and the query that each must become, run over the real tools."""

from __future__ import annotations

import pytest

from tests.agent.offline.talk import Talk

ASKED = [
    ("which region is losing the most deals?", "lost_deals by regional_office top 1"),
    ("how's the win rate trending by quarter", "win_rate by quarter"),
    ("how many deals are in prospecting?", "opportunities where stage=Prospecting"),
    ("which products sold the most last quarter?", "revenue by product in last_quarter top 5"),
    ("what's our revenue this year?", "revenue in this_year"),
    ("best selling product in Q3 2017", "revenue by product in 2017-Q3 top 1"),
    ("average deal size by sector", "average_ticket by sector"),
    ("sales by manager and region", "revenue by manager,regional_office"),
    ("revenue per month for the East", "revenue by month where regional_office=East"),
    ("how long does it take to close a deal by product?", "days_to_close by product"),
    ("compare East and West revenue", "revenue by regional_office where regional_office=East|West"),
    ("who sold more, Darcel or Vicki?", "revenue by agent where agent=Darcel Schlecht|Vicki Laflamme top 1"),
    ("how much did we sell to Konex?", "revenue where account=Konex"),
    ("win rate last month", "win_rate in last_month"),
    ("revenue Q3 vs Q2", "revenue in 2017-Q3 vs 2017-Q2"),
    ("revenue since October", "revenue in 2017-Q4"),
    ("number of lost deals by region in the second quarter", "lost_deals by regional_office in 2017-Q2"),
    ("won and lost deals by region", "won_deals+lost_deals by regional_office"),
    ("which customer bought the most?", "revenue by account top 1"),
    ("how did we do in October?", "revenue in 2017-10"),
    ("how many customers do we have?", "accounts"),
    ("how many sales agents work in the West?", "agents where regional_office=West"),
    ("list all agents on Melvin's team", "opportunities by agent where manager=Melvin Marxen empty show"),
    ("list the products and their prices", "list_price by product"),
    ("total number of won deals in 2017", "won_deals in 2017"),
    ("lost deals by manager this quarter", "lost_deals by manager in this_quarter"),
    ("what is the win rate of Vicki Laflamme?", "win_rate where agent=Vicki Laflamme"),
    ("average days to close by region", "days_to_close by regional_office"),
    ("show me revenue by country", "revenue by country"),
    ("top 10 customers by revenue in Q4", "revenue by account in 2017-Q4 top 10"),
    ("which agent has the highest win rate?", "win_rate by agent top 1"),
    ("who is the worst performing manager?", "revenue by manager bottom 1"),
    ("revenue growth by quarter", "revenue by quarter"),
    ("how did revenue change from Q2 to Q3?", "revenue in 2017-Q3 vs 2017-Q2"),
    ("what percentage of revenue comes from each product?", "revenue by product"),
    ("open opportunities without an account", "open_deals where account=None"),
    ("how many opportunities are still open?", "open_deals"),
    ("value of our pipeline by stage", "open_pipeline_value by stage"),
    ("how much did the tech sector bring in last quarter?", "revenue where sector=technology in last_quarter"),
    ("sales in november vs october by region", "revenue by regional_office in 2017-11 vs 2017-10"),
    ("sales last 6 months", "revenue in last_6_months"),
    ("sales in the last two quarters", "revenue in last_6_months"),
    ("revenue between July and September 2017", "revenue in 2017-Q3"),
    ("best month", "revenue by month top 1"),
    ("which quarter had the highest revenue?", "revenue by quarter top 1"),
    ("how many deals did each agent lose in Q4?", "lost_deals by agent in 2017-Q4"),
    ("how many countries are our customers in?", "accounts by country"),
    ("price of MG Advanced", "list_price where product=MG Advanced"),
    ("monthly revenue for GTX Basic", "revenue by month where product=GTX Basic"),
    ("sales reps with no deals", "opportunities by agent empty only"),
    ("which customers are in Germany?", "opportunities by account where country=Germany empty show"),
    ("customers in the medical sector", "opportunities by account where sector=medical empty show"),
    ("list the products and their prices", "list_price by product"),
    ("who is the worst performing manager?", "revenue by manager bottom 1"),
    ("customers in the medical sector", "opportunities by account where sector=medical empty show"),
    ("show sales by product for Cassey Cress", "revenue by product where agent=Cassey Cress"),
    ("how many wins in November?", "won_deals in 2017-11"),
    ("what was the average price of GTX Basic last quarter?", "average_ticket where product=GTX Basic in last_quarter"),
    ("revenue from Germany", "revenue where country=Germany"),
    ("number of agents by manager", "agents by manager"),
    ("average ticket by agent, worst 5", "average_ticket by agent bottom 5"),
    ("sales this month vs last month", "revenue in this_month vs last_month"),
    ("how much did Darcel sell in Oct 2017?", "revenue where agent=Darcel Schlecht in 2017-10"),
    ("bottom 3 products by revenue", "revenue by product bottom 3"),
    ("which manager has the lowest win rate in Q4 2017?", "win_rate by manager in 2017-Q4 bottom 1"),
    ("total revenue in the first half of 2017", "revenue in 2017-01-01..2017-06-30"),
    ("how many opportunities were lost in December?", "lost_deals in 2017-12"),
    ("sales for GTX series", "revenue where series=GTX"),
    ("reveneu by region", "revenue by regional_office"),
    ("top ten customers", "revenue by account top 10"),
    ("who are our managers?", "agents by manager empty show"),
]


@pytest.mark.parametrize(("text", "query"), ASKED, ids=[text for text, _ in ASKED])
async def test_a_question_in_english_becomes_the_query_that_it_means(talk: Talk, text: str, query: str) -> None:
    reply = await talk.say(text)

    assert " ; ".join(reply.queries) == query
    assert not [message for message in talk.results if message.failed]
