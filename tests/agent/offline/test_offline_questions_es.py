"""Everyday questions in Spanish, and the query that each must become, run over the real tools."""

from __future__ import annotations

import pytest

from tests.agent.offline.talk import Talk

ASKED = [
    ("cuánto vendimos el mes pasado", "revenue in last_month"),
    ("¿quién es el mejor vendedor?", "revenue by agent top 1"),
    ("¿cuántos negocios ganamos en octubre?", "won_deals in 2017-10"),
    ("ingresos por trimestre", "revenue by quarter"),
    ("¿cuál es la tasa de conversión del equipo de Melvin?", "win_rate where manager=Melvin Marxen"),
    ("¿cuántas oportunidades abiertas hay sin cuenta?", "open_deals where account=None"),
    ("los 5 mejores clientes", "revenue by account top 5"),
    ("ventas en los últimos 3 meses", "revenue in last_3_months"),
    ("¿cuánto facturamos en 2017?", "revenue in 2017"),
    ("¿qué producto se vendió más?", "revenue by product top 1"),
    ("¿qué vendedores no tienen oportunidades?", "opportunities by agent empty only"),
    ("ventas por mes", "revenue by month"),
    ("¿cuántos clientes tenemos en Brasil?", "accounts where country=Brazil"),
    ("tasa de cierre por región", "win_rate by regional_office"),
    ("ticket promedio por sector", "average_ticket by sector"),
    ("¿cuál fue la región con más negocios perdidos?", "lost_deals by regional_office top 1"),
    ("compara octubre con noviembre", "revenue in 2017-11 vs 2017-10"),
    ("¿cuántos días tarda en cerrarse un negocio?", "days_to_close"),
    ("ventas del tercer trimestre", "revenue in 2017-Q3"),
    ("mejores 3 vendedores del oeste", "revenue by agent where regional_office=West top 3"),
    ("¿quién vendió menos en diciembre?", "revenue by agent in 2017-12 bottom 1"),
    ("ingresos del equipo de Melvin por mes", "revenue by month where manager=Melvin Marxen"),
    ("lista los productos", "list_price by product empty show"),
    ("¿cuántas ventas hicimos en noviembre?", "won_deals in 2017-11"),
    ("pipeline abierto por vendedor", "open_pipeline_value by agent"),
    ("negocios ganados y perdidos por trimestre", "won_deals+lost_deals by quarter"),
    ("ventas de este año", "revenue in this_year"),
    ("¿cuál es el cliente que más compró?", "revenue by account top 1"),
    ("crecimiento de ingresos de octubre a noviembre", "revenue in 2017-11 vs 2017-10"),
    ("¿cuántos días tarda en cerrarse un negocio?", "days_to_close"),
    ("¿cuánto vendió Darcel en octubre de 2017?", "revenue where agent=Darcel Schlecht in 2017-10"),
    ("¿cuál es el producto menos vendido?", "revenue by product bottom 1"),
    ("ingresos de los últimos 30 días", "revenue in last_30_days"),
    ("ventas por país", "revenue by country"),
    ("¿qué equipo ganó más negocios?", "won_deals by manager top 1"),
    ("¿cuántos vendedores hay en el oeste?", "agents where regional_office=West"),
    ("¿cuántos clientes hay por sector?", "accounts by sector"),
    ("ingresos del cuarto trimestre frente al tercer trimestre", "revenue in 2017-Q4 vs 2017-Q3"),
    ("tasa de conversión de Vicki Laflamme en 2017", "win_rate where agent=Vicki Laflamme in 2017"),
    ("¿en qué mes vendimos más?", "revenue by month top 1"),
    ("vendedores sin ventas", "revenue by agent empty only"),
    ("precio de lista de GTX Pro", "list_price where product=GTX Pro"),
    ("oportunidades por etapa", "opportunities by stage"),
]


@pytest.mark.parametrize(("text", "query"), ASKED, ids=[text for text, _ in ASKED])
async def test_a_question_in_spanish_becomes_the_query_that_it_means(talk: Talk, text: str, query: str) -> None:
    reply = await talk.say(text)

    assert " ; ".join(reply.queries) == query
    assert not [message for message in talk.results if message.failed]
