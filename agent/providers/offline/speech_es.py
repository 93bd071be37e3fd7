"""What is said in Spanish."""

from __future__ import annotations

from typing import Final

from agent.providers.offline.speech import Speech

_EXAMPLES: Final = (
    "- “¿Cuánto vendimos el mes pasado?”\n"
    "- “¿Quiénes son los mejores vendedores del este?”\n"
    "- “Tasa de conversión por trimestre”\n"
    "- “Compara octubre con noviembre”\n"
    "- “¿Cuántas oportunidades abiertas no tienen cliente?”"
)

SPEECH: Final = Speech(
    language="es",
    mark="_Demostración sin conexión (offline)_",
    thousands=".",
    decimal=",",
    metrics={
        "revenue": "ingresos",
        "won_deals": "negocios ganados",
        "lost_deals": "negocios perdidos",
        "closed_deals": "negocios cerrados (ganados y perdidos)",
        "open_deals": "oportunidades abiertas",
        "opportunities": "oportunidades",
        "win_rate": "tasa de conversión",
        "average_ticket": "ticket promedio",
        "days_to_close": "tiempo promedio hasta el cierre",
        "open_pipeline_value": "pipeline abierto a precio de lista",
        "list_price": "precio de lista",
        "accounts": "clientes",
        "agents": "vendedores",
        "products": "productos",
    },
    dimensions={
        "agent": "vendedor",
        "manager": "gerente",
        "regional_office": "región",
        "product": "producto",
        "series": "serie",
        "sector": "sector",
        "account": "cliente",
        "country": "país",
        "stage": "etapa",
        "month": "mes",
        "quarter": "trimestre",
        "year": "año",
    },
    plurals={
        "agent": "vendedores",
        "manager": "gerentes",
        "regional_office": "regiones",
        "product": "productos",
        "series": "series",
        "sector": "sectores",
        "account": "clientes",
        "country": "países",
        "stage": "etapas",
        "month": "meses",
        "quarter": "trimestres",
        "year": "años",
    },
    months=(
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ),
    whole_time="en todo el período",
    in_month="en {month_name} de {year}",
    in_quarter="en el {quarter}.º trimestre de {year}",
    in_year="en {year}",
    on_day="el {day}",
    from_to="del {first} al {last}",
    day="{day:02d}/{month:02d}/{year}",
    days="{value} días",
    nothing="sin valor",
    not_filled="sin dato",
    highest="Mayor valor de",
    lowest="Menor valor de",
    most="Más",
    fewest="Menos",
    ranked="{rank}.º lugar en",
    heading="{what}{by}{names}{time}:",
    by=" por {dimensions}",
    conjunction=" y ",
    only_with=" ({dimension}: {values})",
    excluding=" (sin {dimension}: {values})",
    single="{what}{names}{time}: **{value}**.",
    winner="{order} {what}{by}{names}{time}: **{member}**, con **{value}**.",
    compared="{what}{names}{time}: **{value}**; {other_time}: **{other}**. Variación: **{change}**.",
    change="variación",
    before="antes",
    share="parte del total",
    counted="**{count}** {members}{names}{time}:",
    members="{members}{names} ({count}):",
    members_without="{members} sin {what}{names}{time} ({count}):",
    no_rows="No hay registros para esta pregunta: {what}{by}{names}{time}.",
    fewer_rows="Hay menos de {rank} posiciones en esta lista.",
    cut="La lista fue cortada: hay más filas que las mostradas.",
    failed="No pude consultar los datos ahora, así que no tengo una cifra que dar. Inténtelo de nuevo en un momento.",
    unknown_name=(
        "La herramienta de ventas rechazó la consulta, así que no tengo una cifra que dar. Revise los nombres y "
        "el período."
    ),
    market="{name} ({date}): **{value}**.",
    market_stale=" (último valor conocido; la fuente no responde ahora)",
    market_failed="No pude consultar el dato de mercado ahora, así que no tengo una cifra que dar.",
    assumptions={
        "sales_are_won_revenue": "Tomé “ventas” como los ingresos de los negocios ganados.",
        "rank_by_revenue": "Ordené por los ingresos de los negocios ganados.",
        "lost_have_no_value": "Los negocios perdidos no tienen valor registrado; por eso cuento cuántos fueron.",
        "members_with_won_deals": "Conté los que tuvieron negocios ganados.",
        "deals_are_won": "Consideré los negocios ganados.",
        "compared_by_revenue": "Comparé por los ingresos de los negocios ganados.",
        "closed_are_won_and_lost": "“Cerrados” son los ganados más los perdidos.",
    },
    notes={
        "open": (
            "Las oportunidades abiertas no tienen fecha de cierre: el período cuenta por la fecha de inicio, y "
            "la prospección no tiene fecha."
        ),
        "engaged": (
            "Contadas por la fecha de inicio; las oportunidades en prospección no tienen fecha y quedan fuera "
            "del período."
        ),
    },
    social={
        "greeting": (
            "¡Hola! Soy la demostración offline: no soy un modelo de lenguaje, pero consulto los datos de "
            "ventas. Pregunte, por ejemplo, “¿Cuánto vendimos el mes pasado?”."
        ),
        "thanks": "¡De nada! Pregunte más sobre las ventas cuando quiera.",
        "goodbye": "¡Hasta luego!",
        "capabilities": (
            "Soy la demostración offline. Respondo preguntas sobre ventas (totales, recuentos, promedios, tasa "
            "de conversión, rankings y comparaciones) por vendedor, gerente, producto, serie, región, sector, "
            "cliente, país, etapa, mes, trimestre o año. Por ejemplo:\n"
        )
        + _EXAMPLES
        + (
            "\n\nY sigo el hilo: “¿y el mes anterior?”, “¿y por vendedor?”, “solo el sector de tecnología”. Con "
            "una clave de API, un modelo de lenguaje toma la conversación."
        ),
        "identity": (
            "Soy la demostración offline: un pequeño planificador que entiende preguntas comunes sobre ventas y "
            "consulta los datos. No soy una persona ni un modelo de lenguaje."
        ),
        "yes": "De acuerdo. ¿Qué quiere saber sobre las ventas?",
        "no": "Está bien. Pregunte sobre las ventas cuando quiera.",
    },
    topics={
        "margin": "No puedo responder: los datos no tienen costos, así que no hay margen ni ganancia neta.",
        "cost": "No puedo responder: los datos no tienen costos, gastos, descuentos ni comisiones.",
        "forecast": "No puedo responder: los datos solo muestran lo que ya pasó, y no hago pronósticos.",
        "why": "No puedo responder: los datos muestran lo que pasó, pero no el motivo.",
        "target": "No puedo responder: los datos no tienen metas ni presupuesto.",
        "people": "No puedo responder: de los vendedores, los datos solo tienen nombre, gerente y región.",
        "contact": "No puedo responder: los datos no tienen contactos ni direcciones.",
        "single_deals": "Esta demostración no lista negocios uno por uno; solo totales y agrupaciones.",
        "currency": "No puedo responder: todos los valores están en dólares, y no los convierto.",
        "what_if": "No puedo responder: no hago simulaciones.",
        "other_facts": "No puedo responder: eso no está en los datos de ventas.",
        "write": "No puedo hacerlo: no cambio los datos ni envío nada.",
        "market": "No puedo responder: la consulta de datos de mercado no está conectada aquí.",
    },
    instead=(
        "Soy la demostración offline; puedo decir, por ejemplo, los ingresos, el ticket promedio o la tasa de "
        "conversión por producto, vendedor o región."
    ),
    unclear={
        "words": "No entendí “{words}”, y prefiero no arriesgar una cifra.",
        "words_hidden": "No entendí parte de la pregunta, y prefiero no arriesgar una cifra.",
        "metric": "Entendí de quién o de cuándo habla, pero no qué medir.",
        "dimension": "Entendí que quiere un orden, pero no entre quiénes: ¿vendedores, productos, regiones?",
        "pronoun": "No sé a quién se refiere. Diga el nombre, por favor.",
        "nothing": "No entendí esto como una pregunta sobre ventas.",
        "too_long": "El mensaje es demasiado largo para esta demostración. Haga una pregunta corta, por favor.",
        "no_tools": "No tengo acceso a los datos de ventas en esta conversación.",
        "market_time": "De este dato de mercado sé el valor más reciente o el de un día, dicho con el año.",
        "per_group": "No elijo los primeros dentro de cada grupo. Puedo listar todo, u ordenar por uno solo: vendedores, productos, regiones.",
        "timeless": "Los clientes, vendedores, productos y precios de lista no tienen fecha en los datos: no puedo separarlos por período.",
        "lost": "No pude saber la fecha de referencia de los datos. Diga el mes con el año, por favor.",
    },
    guess="Lo que entendí: {question}. Responda “sí” para verlo, o pregunte de otra manera, por ejemplo:",
    ask="Soy la demostración offline y entiendo preguntas como:\n" + _EXAMPLES,
)
