"""The thread: what a follow-up replaces, and what it keeps."""

from __future__ import annotations

import pytest

from tests.agent.offline.talk import Talk

THREADS = [
    [
        ("Quanto vendemos no mês passado?", "revenue in last_month"),
        ("e no mês anterior?", "revenue in 2017-10"),
        ("e por vendedor?", "revenue by agent in 2017-10"),
        ("só do time do Melvin", "revenue by agent where manager=Melvin Marxen in 2017-10"),
        ("e em dezembro?", "revenue by agent where manager=Melvin Marxen in 2017-12"),
    ],
    [
        ("Quem é o melhor vendedor?", "revenue by agent top 1"),
        ("e o segundo?", "revenue by agent top 2"),
        ("e o terceiro?", "revenue by agent top 3"),
        ("quanto ele vendeu em outubro?", "revenue where agent=Kary Hendrixson in 2017-10"),
    ],
    [
        ("How much did we sell in November?", "revenue in 2017-11"),
        ("and in October?", "revenue in 2017-10"),
        ("what about the win rate?", "win_rate in 2017-10"),
        ("by region", "win_rate by regional_office in 2017-10"),
        ("only the West", "win_rate where regional_office=West in 2017-10"),
    ],
    [
        ("¿Cuánto vendimos en noviembre?", "revenue in 2017-11"),
        ("¿y por región?", "revenue by regional_office in 2017-11"),
        ("¿y el mes anterior?", "revenue by regional_office in 2017-10"),
        ("¿y en octubre?", "revenue by regional_office in 2017-10"),
    ],
    [
        ("top 5 vendedores", "revenue by agent top 5"),
        ("e os piores?", "revenue by agent bottom 5"),
        ("e por produto?", "revenue by product"),
    ],
    [
        ("Quantos negócios o Darcel ganhou em 2017?", "won_deals where agent=Darcel Schlecht in 2017"),
        ("e a Vicki?", "won_deals where agent=Vicki Laflamme in 2017"),
        ("e quantos perdeu?", "lost_deals where agent=Vicki Laflamme in 2017"),
        ("e o ticket médio?", "average_ticket where agent=Vicki Laflamme in 2017"),
    ],
    [
        ("receita por região no Q3", "revenue by regional_office in 2017-Q3"),
        ("compare com o trimestre anterior", "revenue by regional_office in 2017-Q3 vs 2017-Q2"),
        ("e no Q2?", "revenue by regional_office in 2017-Q2"),
    ],
    [
        ("win rate by quarter", "win_rate by quarter"),
        ("and by month?", "win_rate by month"),
        ("just the East", "win_rate by month where regional_office=East"),
    ],
    [
        ("quanto vendemos em 2017?", "revenue in 2017"),
        ("e em novembro?", "revenue in 2017-11"),
        ("e comparado com outubro?", "revenue in 2017-11 vs 2017-10"),
    ],
    [
        ("vendas por setor em outubro", "revenue by sector in 2017-10"),
        ("e em novembro?", "revenue by sector in 2017-11"),
        ("só tecnologia", "revenue where sector=technology in 2017-11"),
        ("sim", ""),
    ],
    [
        ("quanto vendemos em florgs?", ""),
        ("sim", "revenue"),
    ],
    [
        ("receita de outubro", "revenue in 2017-10"),
        ("e de novembro e dezembro?", "revenue in 2017-11 ; revenue in 2017-12"),
    ],
    [
        ("Melhores clientes", "revenue by account top 5"),
        ("e os 10 primeiros?", "revenue by account top 10"),
        ("no Brasil", "revenue by account where country=Brazil top 10"),
        ("obrigado", ""),
        ("e em 2017?", "revenue by account where country=Brazil in 2017 top 10"),
    ],
    [
        ("Quantos clientes temos?", "accounts"),
        ("e na Alemanha?", "accounts where country=Germany"),
        ("quais são?", "accounts by account where country=Germany empty show"),
    ],
    [
        ("quem vendeu mais em outubro?", "revenue by agent in 2017-10 top 1"),
        ("e quanto ele perdeu?", "lost_deals where agent=Darcel Schlecht in 2017-10"),
        ("e dela?", "lost_deals where agent=Darcel Schlecht in 2017-10"),
    ],
]


async def told(talk: Talk, texts: list[str]) -> list[str]:
    return [" ; ".join((await talk.say(text)).queries) for text in texts]


@pytest.mark.parametrize("turns", THREADS, ids=[turns[0][0] for turns in THREADS])
async def test_each_turn_leans_on_the_ones_before(talk: Talk, turns: list[tuple[str, str]]) -> None:
    assert await told(talk, [text for text, _ in turns]) == [query for _, query in turns]


async def test_the_second_is_told_alone(talk: Talk) -> None:
    await talk.say("Quem é o melhor vendedor?")

    reply = await talk.say("e o segundo?")

    assert "Vicki Laflamme" in reply.text
    assert "Darcel" not in reply.text


async def test_she_is_whoever_was_told_last(talk: Talk) -> None:
    await talk.say("Quem é o melhor vendedor?")
    await talk.say("e o segundo?")

    reply = await talk.say("quanto ela vendeu em outubro?")

    assert reply.queries == ["revenue where agent=Vicki Laflamme in 2017-10"]


async def test_a_pronoun_with_nobody_before_it_is_asked_about(talk: Talk) -> None:
    reply = await talk.say("quanto ele vendeu?")

    assert reply.calls == ()
    assert "Não sei a quem" in reply.text


async def test_the_answer_follows_the_language_of_the_latest_message(talk: Talk) -> None:
    portuguese = await talk.say("Quanto vendemos em 2017?")
    english = await talk.say("and how many deals did we win?")
    spanish = await talk.say("¿y cuántos negocios perdimos?")

    assert "US$ 10.005.534" in portuguese.text
    assert "4,238" in english.text
    assert "2.473" in spanish.text
