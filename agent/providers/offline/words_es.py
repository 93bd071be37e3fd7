"""Spanish."""

from __future__ import annotations

from typing import Final

from agent.providers.offline.words import Words

SPANISH: Final = Words(
    language="es",
    metrics={
        "revenue": (
            "ingreso | ingresos | ingreso total | facturacion | valor vendido | monto vendido | total vendido"
            " | facturamos"
            " | ingresos ganados | ingresos por ventas | importe vendido | facturo | volumen de ventas"
            " | monto de ventas"
            " | valor de las ventas | facturado | importe de ventas"
        ),
        "won_deals": (
            "negocios ganados | oportunidades ganadas | ventas ganadas | numero de ventas | cantidad de ventas"
            " | tratos ganados | ventas cerradas | unidades vendidas"
        ),
        "lost_deals": "negocios perdidos | oportunidades perdidas | ventas perdidas | perdidas | tratos perdidos",
        "closed_deals": "negocios cerrados | oportunidades cerradas | tratos cerrados",
        "open_deals": (
            "negocios abiertos | oportunidades abiertas | negocios en curso | oportunidades en curso"
            " | tratos abiertos"
            " | negocios pendientes"
        ),
        "opportunities": "numero de oportunidades | total de oportunidades | cantidad de oportunidades",
        "win_rate": (
            "porcentaje de negocios ganados | tasa de conversion | tasa de exito | tasa de cierre"
            " | tasa de ganancia | win rate | conversion"
            " | porcentaje de exito | indice de conversion | tasa de victoria | tasa de ganados"
        ),
        "average_ticket": (
            "ticket promedio | ticket medio | valor promedio | valor medio | venta promedio | precio promedio"
            " | ticket"
            " | precio medio | importe medio | tamano promedio | valor promedio de venta | monto promedio"
        ),
        "days_to_close": (
            "ciclo de venta | ciclo de ventas | tiempo de cierre | dias para cerrar | dias hasta el cierre | ciclo"
            " | tiempo para cerrar | tiempo promedio de cierre | duracion del ciclo | dias de cierre"
            " | cerrar una venta"
        ),
        "open_pipeline_value": (
            "pipeline abierto | valor del pipeline | pipeline | valor del embudo | embudo abierto | cartera abierta"
            " | valor del pipeline abierto | embudo de ventas | valor abierto"
        ),
        "list_price": (
            "precio de lista | precio de tabla | precio | lista de precios | precio de catalogo | cuanto cuesta"
            " | cuesta | precio oficial"
        ),
        "accounts": "numero de clientes | cantidad de clientes | total de clientes | numero de cuentas",
        "agents": "numero de vendedores | cantidad de vendedores | total de vendedores",
        "products": "numero de productos | cantidad de productos",
    },
    dimensions={
        "agent": (
            "vendedor | vendedores | vendedora | representante | agente | agente de ventas | quien | quienes | asesor"
            " | comercial | ejecutivo de ventas | asesor comercial"
        ),
        "manager": "gerente | gestor | equipo | equipo de ventas | jefe | lider | supervisor | encargado",
        "regional_office": (
            "region | regiones | oficina | oficina regional | sucursal | sucursales | oficinas regionales | zona"
        ),
        "product": "producto | articulo | modelo",
        "series": "serie | series | linea | linea de producto | familia | linea de productos",
        "sector": "sector | sectores | industria | rubro | ramo | segmento",
        "account": "cliente | cuenta | empresa | comprador | compania",
        "country": "pais | paises | ubicacion | nacion",
        "stage": "etapa | fase | estado del negocio | etapa del embudo | estatus | estadio",
        "month": "mes | meses",
        "quarter": "trimestre | trimestres",
        "year": "ano | anos",
    },
    operators={
        "count": "=cuantos | =cuantas | numero de | cantidad de | conteo de | =cantidad",
        "tally": "numero de | cantidad de | conteo de | =cantidad | unidad | unidades | pieza",
        "how_much": "=cuanto | =cuanta | cual fue el valor | cual es el valor | suma | cual fue el total",
        "average": "promedio | media | medio | en promedio | de media",
        "deal": "negocio | negocios fueron | oportunidad | oportunidades | contrato | trato | deal | acuerdo",
        "opportunity": "oportunidad | oportunidades",
        "sale": (
            "ventas fueron | venta | vendimos | vendio | vendieron | vender | vendido | vendi | vende | compraron | compro | compra"
            " | venden | desempeno | rendimiento | resultado | hemos vendido | entro"
            " | nos fue"
        ),
        "buy": "compraron | compro | compra",
        "value": "valor | precio | dinero | monto | importe",
        "days": "dia | tiempo | cuanto tiempo | tarda | demora | dura | tardamos | demoramos | toma | lleva",
        "won": "ganado | ganamos | gano | ganaron | ganar | ganando | gana",
        "lost": "perdido | perdimos | perdio | perdieron | perder | perdiendo | pierde | perdida",
        "open": "abierto | en curso | pendiente",
        "closed": "cerrarse | cerrado | cerramos | cerro | cerraron | cerrar | finalizado",
        "engaging": "en negociacion | engaging",
        "prospecting": "en prospeccion | prospecting | prospeccion",
        "by": (
            "por | cada | por cada | para cada | de cada | en cada | agrupado por | desglosado por | dividido por"
            " | segun"
        ),
        "by_month": "mensual | mensuales | mensualmente | mes a mes | por mes | cada mes",
        "by_quarter": "trimestral | trimestrales | trimestralmente | por trimestre | cada trimestre",
        "by_year": "anual | anuales | anualmente | por ano | ano a ano",
        "which": "cual | cuales | =que | de quien",
        "list": (
            "lista | listar | liste | muestra | mostrar | muestrame | dame | quiero ver | enumera | lista de"
            " | quienes son | listame | muestreme"
        ),
        "compare": (
            "compara | comparar | comparado | comparacion | versus | vs | contra | frente a | respecto a"
            " | en comparacion con"
            " | comparado con | con respecto a | frente al | respecto al | comparada | comparadas"
        ),
        "growth": (
            "crecimiento | crecio | crecimos | variacion | vario | aumento | aumentaron | caida | cayo"
            " | diferencia | cambio | subio | bajo | crecieron"
        ),
        "trend": (
            "evolucion | tendencia | a lo largo del tiempo | historico | serie temporal | evoluciono | evolucionado"
        ),
        "share": "representa | representan | porcentaje | participacion | cuota | por ciento | proporcion | en porcentaje",
        "without": (
            "sin | no tiene | no tienen | no tuvieron | no tuvo | nunca | ningun | ninguna | sin ningun"
            " | sin ninguna | no | nada | sin nada de"
        ),
        "except": "excepto | fuera de | fuera del | salvo | menos el | menos la | excluyendo | sin contar | quitando",
        "only": "solo | solamente | unicamente | filtra | filtrar | nada mas",
        "and": "=y | =e | asi como | ademas de | junto con",
        "follow": ("=y | ahora | pero | entonces | y que tal | tambien"),
        "top": (
            "mejor | mejores | mayor | mayores | top | principal | principales | mas alto | primeros | primeras"
            " | mas vendido | mas grande"
        ),
        "bottom": "mas corto | mas rapido | peor | peores | menor | menores | mas bajo | menos vendido | mas pequeno",
        "more": "=mas",
        "less": "=menos",
        "ranking": "ranking | clasificacion | ordenado | rankea",
        "ascending": (
            "peor primero | peores primero | del peor al mejor | de peor a mejor | del menor al mayor | de menor a mayor"
            " | en orden ascendente | orden ascendente | ascendente | empezando por el peor"
        ),
        "descending": (
            "mejor primero | mejores primero | del mejor al peor | de mejor a peor | del mayor al menor"
            " | de mayor a menor | en orden descendente | orden descendente | descendente | empezando por el mejor"
        ),
        "chronological": "en orden cronologico | cronologico | por fecha",
        "filled": "asignado | asignada | completado | rellenado | registrado | asociado | informado | cargado",
        "pronoun": "=el mismo | =ella | =ese | =esa | =este vendedor | ese vendedor",
        "before": "antes de | antes del | anterior a",
        "anaphor": "negocios fueron | ventas fueron | es eso | fue eso | son esos | fueron esos | eso cuanto es | son esas | fueron esas",
        "from": "desde | de",
        "to": "a | hasta | al",
        "between": "entre",
        "since": "desde | a partir de",
        "until": "hasta",
        "last": "ultimo | ultima | pasado | pasada",
        "this": "este | esta | actual | corriente | en curso",
        "next": "proximo | proxima | que viene | siguiente",
        "previous": "anterior | antes | previo | previa | precedente",
        "same": "mismo | misma",
        "ago": "atras",
    },
    periods={
        "all_time": "todo el periodo | desde siempre | de todos los tiempos | historicamente | en toda la historia",
        "today": "=hoy",
        "this_year": "lo que va del ano | en lo que va del ano | ano hasta ahora",
        "yesterday": "=ayer",
    },
    units={
        "day": "dia | dias",
        "week": "semana",
        "month": "mes | meses",
        "quarter": "trimestre | trimestres | =t | =q",
        "half": "semestre | semestres",
        "year": "ano | anos",
    },
    months=(
        "enero | =ene",
        "febrero | =feb",
        "marzo | =mar",
        "abril | =abr",
        "mayo | =may",
        "junio | =jun",
        "julio | =jul",
        "agosto | =ago",
        "septiembre | setiembre | =sep | =sept",
        "octubre | =oct",
        "noviembre | =nov",
        "diciembre | =dic",
    ),
    numbers={
        1: "=uno | =una",
        2: "=dos",
        3: "tres",
        4: "cuatro",
        5: "cinco",
        6: "=seis",
        7: "siete",
        8: "ocho",
        9: "nueve",
        10: "=diez",
        12: "doce",
        15: "quince",
        20: "veinte",
        30: "treinta",
        90: "noventa",
    },
    ordinals={
        1: "primero | primera | primer",
        2: "segundo | segunda",
        3: "tercero | tercera | tercer",
        4: "cuarto | cuarta",
        5: "quinto | quinta",
    },
    values={
        "regional_office:East": "del este | el este | oriente | region este",
        "regional_office:West": "oeste | occidente | region oeste",
        "regional_office:Central": "centro | region central",
    },
    topics={
        "margin": (
            "margen | margenes | ganancia neta | utilidad | utilidades | rentabilidad | rentable | lucro"
            " | beneficio | ebitda | roi"
        ),
        "cost": (
            "costo | coste | costos | gasto | gastamos | gastos | salario | sueldo | comision | comisiones"
            " | impuesto | descuento | inversion"
        ),
        "forecast": (
            "prevision | pronostico | proyeccion | predecir | venderemos | vamos a vender | estimacion"
            " | probabilidad | sera"
            " | facturaremos | va a vender | futuro | predice | se espera | vamos a cerrar | pronostica | forecast"
        ),
        "why": "por que | =porque | motivo | razon | causa | a que se debe | explica | explicame",
        "target": "meta | metas | objetivo | presupuesto | cuota de ventas",
        "people": "empleado | edad | despedir | contratar | rotacion | vacaciones | bono | cumpleanos",
        "contact": "telefono | correo | email | direccion | contacto | whatsapp | celular",
        "single_deals": (
            "mayor venta | mayor negocio | venta mas grande | negocio mas grande | ultima venta | ultimas ventas"
            " | lista los negocios | que negocios | menor venta | lista las ventas | mayores negocios"
            " | mayores ventas"
        ),
        "currency": "en euros | en reales | convertir | convierte | euro | en pesos | bitcoin | en moneda local",
        "what_if": "que pasaria si | supongamos | simula | simular | escenario",
        "other_facts": (
            "=cuando | donde | ultima compra | mediana | desviacion | inventario | existencias | satisfaccion | nps | queja | churn | mora"
            " | pago | competencia | competidor"
            " | campana | visita | llamada | reunion | entrega | origen | canal | soporte | devolucion"
            " | recomienda | deberia"
            " | clima | noticia | presidente | capital | juego | chiste | poema | traduce | receta | pelicula"
            " | cancion"
            " | codigo | ciudad | hora | cuota de mercado | fundada | recomendacion | pelota | =cuento"
        ),
        "write": (
            "borra | borrar | elimina | eliminar | actualiza | actualizar | inserta | crea | envia | manda | modifica"
        ),
    },
    social={
        "greeting": "hola | buenos dias | buenas tardes | buenas noches | buenas | que tal | como estas | como esta",
        "thanks": "gracias | muchas gracias | perfecto | genial | agradezco | estupendo",
        "goodbye": "adios | hasta luego | chao | hasta manana",
        "capabilities": (
            "que sabes hacer | que puedes hacer | ayuda | como funciona | que puedo preguntar | ayudame | ejemplos"
            " | que haces | en que me puedes ayudar | que preguntas | que datos tienes | como me puedes ayudar"
        ),
        "identity": "quien eres | eres un robot | eres una ia | como te llamas | eres humano | que modelo eres",
        "yes": "=si | =claro | eso es | exacto | correcto | dale",
        "no": "no gracias | olvidalo | dejalo",
    },
    markets={
        "usd_brl": "dolar | cotizacion del dolar | tipo de cambio | cotizacion | usd",
        "selic": "selic | tasa selic | tasa de interes | tipo de interes",
    },
    filler=(
        "el | la | los | las | un | una | unos | de | del | en | a | al | con | que | se | fue | fueron | es"
        " | son | era"
        " | hay | hubo | tenemos | tiene | tienen | tuvo | tuvieron | tuvimos | nuestro | nuestra | nuestros"
        " | nuestras"
        " | mi | mis | su | sus | nosotros | yo | usted | tu | me | nos | por favor | porfa | quiero"
        " | quisiera | saber"
        " | puedes | podrias | dime | decir | decirme | informa | total | en total | todo | toda | todos"
        " | todas | completo"
        " | genero | generaron | trajo | trajeron | hizo | hicieron | hicimos | logro | logramos | dio"
        " | hasta ahora | ya"
        " | lo | le | les | como | estan | estamos | actualmente | ahora mismo | en este momento | datos"
        " | dato | nombre"
        " | nombres | tambien | muy | ver | necesito | periodo | sede | ubicados | para | informe | resumen"
        " | tabla | dolares"
        " | u | aun | todavia | trabajan | trabaja | operan | vale | creado | creada | algo | usd | sobre | va"
        " | van | durante | cuanto a | orden | lugar | posicion | entre si | o | existen"
        " | exactamente | realmente | logrado | obtuvo | obtuvimos | conseguimos | ha | han | hemos | sido"
        " | estuvo | ir | fui"
        " | anda | andan | esta | este | numero | ok | cada uno | respectivamente | ese | eso | hacia"
        " | generado | aporto | oye | mira | rapidito | rapido | basicamente | por fa | genera | generan"
    ),
)
