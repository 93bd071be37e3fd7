"""What is said in Portuguese."""

from __future__ import annotations

from typing import Final

from agent.providers.offline.speech import Speech

_EXAMPLES: Final = (
    "- “Quanto vendemos no mês passado?”\n"
    "- “Quem são os melhores vendedores do leste?”\n"
    "- “Taxa de conversão por trimestre”\n"
    "- “Compare outubro com novembro”\n"
    "- “Quantas oportunidades abertas estão sem cliente?”"
)

SPEECH: Final = Speech(
    language="pt",
    mark="_Demonstração offline_",
    thousands=".",
    decimal=",",
    metrics={
        "revenue": "receita",
        "won_deals": "negócios ganhos",
        "lost_deals": "negócios perdidos",
        "closed_deals": "negócios fechados (ganhos e perdidos)",
        "open_deals": "oportunidades abertas",
        "opportunities": "oportunidades",
        "win_rate": "taxa de conversão",
        "average_ticket": "ticket médio",
        "days_to_close": "tempo médio até fechar",
        "open_pipeline_value": "pipeline aberto a preço de tabela",
        "list_price": "preço de tabela",
        "accounts": "clientes",
        "agents": "vendedores",
        "products": "produtos",
    },
    dimensions={
        "agent": "vendedor",
        "manager": "gerente",
        "regional_office": "região",
        "product": "produto",
        "series": "série",
        "sector": "setor",
        "account": "cliente",
        "country": "país",
        "stage": "etapa",
        "month": "mês",
        "quarter": "trimestre",
        "year": "ano",
    },
    plurals={
        "agent": "vendedores",
        "manager": "gerentes",
        "regional_office": "regiões",
        "product": "produtos",
        "series": "séries",
        "sector": "setores",
        "account": "clientes",
        "country": "países",
        "stage": "etapas",
        "month": "meses",
        "quarter": "trimestres",
        "year": "anos",
    },
    months=(
        "janeiro",
        "fevereiro",
        "março",
        "abril",
        "maio",
        "junho",
        "julho",
        "agosto",
        "setembro",
        "outubro",
        "novembro",
        "dezembro",
    ),
    whole_time="em todo o período",
    in_month="em {month_name} de {year}",
    in_quarter="no {quarter}º trimestre de {year}",
    in_year="em {year}",
    on_day="em {day}",
    from_to="de {first} a {last}",
    day="{day:02d}/{month:02d}/{year}",
    days="{value} dias",
    nothing="sem valor",
    not_filled="não informado",
    highest="Maior",
    lowest="Menor",
    most="Mais",
    fewest="Menos",
    ranked="{rank}º lugar em",
    heading="{what}{by}{names}{time}:",
    by=" por {dimensions}",
    conjunction=" e ",
    only_with=" ({dimension}: {values})",
    excluding=" (sem {dimension}: {values})",
    single="{what}{names}{time}: **{value}**.",
    winner="{order} {what}{by}{names}{time}: **{member}**, com **{value}**.",
    compared="{what}{names}{time}: **{value}**; {other_time}: **{other}**. Variação: **{change}**.",
    change="variação",
    before="antes",
    share="parte do total",
    counted="**{count}** {members}{names}{time}:",
    members="{members}{names} ({count}):",
    members_without="{members} sem {what}{names}{time} ({count}):",
    no_rows="Não há registros para esta pergunta: {what}{by}{names}{time}.",
    fewer_rows="Há menos de {rank} posições nesta lista.",
    cut="A lista foi cortada: há mais linhas do que as mostradas.",
    failed="Não consegui consultar os dados agora, então não tenho um número para dar. Tente de novo em instantes.",
    unknown_name=(
        "A ferramenta de vendas recusou a consulta, então não tenho um número para dar. Confira os nomes e o "
        "período da pergunta."
    ),
    market="{name} ({date}): **{value}**.",
    market_stale=" (último valor conhecido; a fonte não responde agora)",
    market_failed="Não consegui consultar o dado de mercado agora, então não tenho um número para dar.",
    assumptions={
        "sales_are_won_revenue": "Considerei “vendas” como a receita dos negócios ganhos.",
        "rank_by_revenue": "Ordenei pela receita dos negócios ganhos.",
        "lost_have_no_value": "Negócios perdidos não têm valor registrado; por isso conto quantos foram.",
        "members_with_won_deals": "Contei os que tiveram negócios ganhos.",
        "deals_are_won": "Considerei os negócios ganhos.",
        "compared_by_revenue": "Comparei pela receita dos negócios ganhos.",
        "closed_are_won_and_lost": "“Fechados” são os ganhos mais os perdidos.",
    },
    notes={
        "open": (
            "Oportunidades abertas não têm data de fechamento: o período conta pela data de início, e a "
            "prospecção não tem data nenhuma."
        ),
        "engaged": "Contadas pela data de início; oportunidades em prospecção não têm data e ficam fora do período.",
    },
    social={
        "greeting": (
            "Olá! Sou a demonstração offline: não sou um modelo de linguagem, mas consulto os dados de vendas. "
            "Pergunte, por exemplo, “Quanto vendemos no mês passado?”."
        ),
        "thanks": "De nada! Se quiser, pergunte mais sobre as vendas.",
        "goodbye": "Até logo!",
        "capabilities": (
            "Sou a demonstração offline. Respondo a perguntas sobre vendas (totais, contagens, médias, taxa de "
            "conversão, rankings e comparações) por vendedor, gerente, produto, série, região, setor, cliente, "
            "país, etapa, mês, trimestre ou ano. Por exemplo:\n"
        )
        + _EXAMPLES
        + (
            "\n\nE sigo o fio: “e no mês anterior?”, “e por vendedor?”, “só o setor de tecnologia”. Com uma "
            "chave de API, um modelo de linguagem assume a conversa."
        ),
        "identity": (
            "Sou a demonstração offline: um pequeno planejador que entende perguntas comuns sobre vendas e "
            "consulta os dados. Não sou uma pessoa nem um modelo de linguagem."
        ),
        "yes": "Certo. O que quer saber sobre as vendas?",
        "no": "Tudo bem. Quando quiser, pergunte sobre as vendas.",
    },
    topics={
        "margin": "Não posso responder: os dados não têm custo, então não há margem nem lucro.",
        "cost": "Não posso responder: os dados não têm custos, despesas, descontos nem comissões.",
        "forecast": "Não posso responder: os dados só mostram o que já aconteceu, e não faço previsões.",
        "why": "Não posso responder: os dados mostram o que aconteceu, mas não o motivo.",
        "target": "Não posso responder: os dados não têm metas nem orçamento.",
        "people": "Não posso responder: dos vendedores, os dados só têm nome, gerente e região.",
        "contact": "Não posso responder: os dados não têm contatos nem endereços.",
        "single_deals": "Esta demonstração não lista negócios um a um; só totais e agrupamentos.",
        "currency": "Não posso responder: todos os valores estão em dólares, e não faço conversão.",
        "what_if": "Não posso responder: não faço simulações.",
        "other_facts": "Não posso responder: isso não está nos dados de vendas.",
        "write": "Não posso fazer isso: não altero os dados nem envio nada.",
        "market": "Não posso responder: a consulta a dados de mercado não está ligada aqui.",
    },
    instead=(
        "Sou a demonstração offline; posso dizer, por exemplo, a receita, o ticket médio ou a taxa de conversão "
        "por produto, vendedor ou região."
    ),
    unclear={
        "words": "Não entendi “{words}”, e prefiro não arriscar um número.",
        "words_hidden": "Não entendi parte da pergunta, e prefiro não arriscar um número.",
        "metric": "Entendi de quem ou de quando você fala, mas não o que medir.",
        "dimension": "Entendi que quer uma ordem, mas não entre quem: vendedores, produtos, regiões?",
        "pronoun": "Não sei a quem você se refere. Diga o nome, por favor.",
        "nothing": "Não entendi a pergunta como uma pergunta sobre vendas.",
        "too_long": "A mensagem é longa demais para esta demonstração. Faça uma pergunta curta, por favor.",
        "no_tools": "Não tenho acesso aos dados de vendas nesta conversa.",
        "market_time": "Deste dado de mercado sei o valor mais recente ou o de um dia, dito com o ano.",
        "per_group": "Não escolho os primeiros dentro de cada grupo. Posso listar tudo, ou ordenar por um só: vendedores, produtos, regiões.",
        "timeless": "Clientes, vendedores, produtos e preços de tabela não têm data nos dados: não dá para separá-los por período.",
        "lost": "Não consegui descobrir a data de referência dos dados. Diga o mês com o ano, por favor.",
    },
    guess="O que entendi foi: {question}. Responda “sim” para ver isso, ou pergunte de outro jeito, por exemplo:",
    ask="Sou a demonstração offline e entendo perguntas como:\n" + _EXAMPLES,
)
