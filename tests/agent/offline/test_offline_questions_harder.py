"""Harder questions in all three languages; where no query stands, the right answer is to ask back or refuse."""

from __future__ import annotations

import pytest

from tests.agent.offline.talk import Talk

ASKED = [
    ("how many deals were won vs lost last month?", "won_deals+lost_deals in last_month"),
    ("did we sell more in November or December?", "revenue in 2017-12 vs 2017-11"),
    ("¿vendimos más en octubre o en noviembre?", "revenue in 2017-11 vs 2017-10"),
    ("quantas oportunidades foram perdidas pelo time da Cara?", "lost_deals where manager=Cara Losch"),
    ("taxa de ganho do GTX Pro por trimestre", "win_rate by quarter where product=GTX Pro"),
    ("what's the biggest customer?", "revenue by account top 1"),
    ("how much pipeline does each manager have?", "open_pipeline_value by manager"),
    ("Qual a diferença de receita entre leste e oeste?", "revenue by regional_office where regional_office=East|West"),
    ("quantos clientes compraram GTX Pro?", "won_deals by account where product=GTX Pro"),
    ("quais clientes nunca compraram?", "revenue by account empty only"),
    ("quem vende mais GTX Basic?", "revenue by agent where product=GTX Basic top 1"),
    ("qual produto tem mais negócios perdidos?", "lost_deals by product top 1"),
    ("como estão as vendas?", "revenue"),
    ("vendas", "revenue"),
    ("e aí, quanto vendemos hoje?", "revenue in today"),
    ("quanto vendemos nos EUA?", "revenue where country=United States"),
    ("qual gerente tem mais vendedores?", "agents by manager top 1"),
    ("quantos vendedores tem cada gerente?", "agents by manager"),
    (
        "quanto a equipe do Dustin vendeu em relação à da Cara?",
        "revenue by manager where manager=Dustin Brinkmann|Cara Losch",
    ),
    ("receita acumulada do ano", "revenue in this_year"),
    (
        "ticket médio do Darcel vs Vicki em 2017",
        "average_ticket by agent where agent=Darcel Schlecht|Vicki Laflamme in 2017",
    ),
    ("qual a receita de cada produto no leste em outubro?", "revenue by product where regional_office=East in 2017-10"),
    ("quanto perdemos em valor?", "lost_deals"),
    ("total pipeline for Vicki", "open_pipeline_value where agent=Vicki Laflamme"),
    ("vendas jan 2017", "revenue in 2017-01"),
    ("receita 2016", "revenue in 2016"),
    ("quanto vendemos em fevereiro?", "revenue in 2017-02"),
    ("vendas dos últimos 3 trimestres por região", "revenue by regional_office in last_9_months"),
    ("quantas vendas o Darcel fez por mês em 2017?", "won_deals by month where agent=Darcel Schlecht in 2017"),
    ("qual vendedor tem o ciclo de vendas mais curto?", "days_to_close by agent bottom 1"),
    ("quais clientes temos?", "opportunities by account empty show"),
    ("Qual foi o faturamento do Darcel no melhor mês?", "revenue by month where agent=Darcel Schlecht top 1"),
    ("vendas acumuladas até setembro", "revenue in 2017-01-01..2017-09-30"),
    (
        "qual região caiu mais em relação ao trimestre passado?",
        "revenue by regional_office in this_quarter vs last_quarter",
    ),
    ("o Darcel vendeu mais que a Vicki?", "revenue by agent where agent=Darcel Schlecht|Vicki Laflamme top 1"),
    ("em que setor temos mais clientes?", "accounts by sector top 1"),
    ("receita no leste, oeste e centro", "revenue by regional_office where regional_office=East|West|Central"),
    (
        "quantas oportunidades o Darcel tem abertas e qual o valor delas?",
        "open_deals+open_pipeline_value where agent=Darcel Schlecht",
    ),
    ("vendas sem o Darcel", "revenue where agent!=Darcel Schlecht"),
    ("compare Q3 e Q4 por produto", "revenue by product in 2017-Q4 vs 2017-Q3"),
    ("vendas do Konex para o Darcel", "revenue where account=Konex where agent=Darcel Schlecht"),
    ("quem é o gerente do Darcel?", "agents by manager where agent=Darcel Schlecht empty show"),
    ("em que setor está a Konex?", "accounts by sector where account=Konex empty show"),
    (
        "qual produto vende menos no setor de varejo no Q4?",
        "revenue by product where sector=retail in 2017-Q4 bottom 1",
    ),
    ("what share of deals did we win in the West?", "win_rate where regional_office=West"),
    ("show me the worst 3 agents by win rate in Q4", "win_rate by agent in 2017-Q4 bottom 3"),
    ("how many deals has Darcel closed?", "closed_deals where agent=Darcel Schlecht"),
    ("who closed the most deals in Q3?", "closed_deals by agent in 2017-Q3 top 1"),
    (
        "how much revenue did Melvin's team make in October compared to September?",
        "revenue where manager=Melvin Marxen in 2017-10 vs 2017-09",
    ),
    ("give me a list of customers in Japan", "opportunities by account where country=Japan empty show"),
    ("what are our top products by number of deals?", "opportunities by product top 5"),
    ("which accounts have open deals?", "open_deals by account"),
    ("how does East compare to West on win rate?", "win_rate by regional_office where regional_office=East|West"),
    ("sales by rep for the Central office in november", "revenue by agent where regional_office=Central in 2017-11"),
    ("what did we sell to Kan-code in Q4?", "revenue where account=Kan-code in 2017-Q4"),
    ("number of opportunities created in November", "opportunities in 2017-11"),
    ("revenue this quarter by month", "revenue by month in this_quarter"),
    ("which product takes the longest to close?", "days_to_close by product top 1"),
    ("sales rep with the fewest won deals in the east", "won_deals by agent where regional_office=East bottom 1"),
    ("is East better than West?", "revenue by regional_office where regional_office=East|West top 1"),
    ("which country has the most customers?", "accounts by country top 1"),
    ("sales excluding Darcel", "revenue where agent!=Darcel Schlecht"),
    ("who is Melvin?", "opportunities by agent where manager=Melvin Marxen empty show"),
    ("which region does Vicki work in?", "agents by regional_office where agent=Vicki Laflamme empty show"),
    ("¿Cuánto vendió cada vendedor en noviembre?", "revenue by agent in 2017-11"),
    ("¿Qué región vendió más este año?", "revenue by regional_office in this_year top 1"),
    ("¿cuál es el ticket promedio de GTX Pro?", "average_ticket where product=GTX Pro"),
    ("dime las ventas de diciembre por producto", "revenue by product in 2017-12"),
    ("ventas de Darcel vs Vicki", "revenue by agent where agent=Darcel Schlecht|Vicki Laflamme"),
    ("¿cuántos negocios abiertos tenemos?", "open_deals"),
    ("¿cuánto vale el pipeline?", "open_pipeline_value"),
]
ASKED_BACK = [
    "Quanto o Darcel representa das vendas totais?",
    "me fala da Konex",
    "média de vendas por mês",
    "quais meses tiveram receita acima de 1 milhão?",
    "negócios com valor zero",
    "últimos 7 dias",
    "quanto vendemos no Natal?",
    "top 3",
    "top 3 piores",
    "melhor",
    "quantos negócios foram perdidos para concorrentes?",
    "qual a receita por cliente ativo?",
    "top 5 clientes que mais cresceram",
    "qual vendedor melhorou mais de setembro para outubro?",
    "quantos dias desde a última venda?",
    "quanto falta para bater 1 milhão?",
    "qual o total de funcionários das contas?",
    "qual o produto mais caro?",
    "qual o produto mais barato?",
    "quanto vendemos por vendedor em média?",
    "qual foi o primeiro mês com vendas?",
    "taxa de perda por região",
    "quanto o João vendeu?",
    "is revenue up or down vs last quarter?",
    "what percentage of our customers are in the US?",
    "how many deals per agent on average?",
    "list deals closed yesterday",
    "cheapest product",
]


@pytest.mark.parametrize(("text", "query"), ASKED, ids=[text for text, _ in ASKED])
async def test_a_harder_question_becomes_the_query_that_it_means(talk: Talk, text: str, query: str) -> None:
    reply = await talk.say(text)

    assert " ; ".join(reply.queries) == query
    assert not [message for message in talk.results if message.failed]


@pytest.mark.parametrize("text", ASKED_BACK)
async def test_what_is_not_wholly_understood_is_asked_back_without_a_number(talk: Talk, text: str) -> None:
    reply = await talk.say(text)

    assert reply.queries == []
    assert not any(sign.isdigit() for sign in reply.text)
