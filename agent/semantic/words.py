"""Words of Portuguese, English and Spanish that the guard knows: those that carry nothing, and those of time.

Only what is listed here may differ between two questions; every other word must be the same, in the same place. So a
word that is missing here costs a hit, and one too many costs a wrong answer: when in doubt it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

Phrase = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Language:
    """What the guard knows of one language. All words are in lower case."""

    marks: frozenset[str]
    """By these it is told from the others."""
    spellings: Mapping[str, str]
    """How people write without accents, abbreviate, or count up to twelve; only what is no other word."""
    openings: tuple[Phrase, ...]
    """What asks for an answer at the question's begin, and says nothing about which."""
    greetings: tuple[Phrase, ...]
    """What may stand at the begin, with a mark after it; `Oi` is a company, too."""
    thanks: tuple[Phrase, ...]
    """What may stand at the end, with a mark before it."""
    anywhere: tuple[Phrase, ...]
    """What may stand anywhere."""
    articles: frozenset[str]
    free_articles: bool
    """Whether an article is never a pronoun: then it is dropped wherever it stands, but before `deciding`."""
    before_articles: frozenset[str]
    """After these words an article is no pronoun, and tells no city from a feast (`para o natal`, `para natal`)."""
    deciding: frozenset[str]
    """Before these words an article decides: `sales in the last year` are not last year's, `mañana` is tomorrow."""
    what: frozenset[str]
    was: frozenset[str]
    """`what` and one of these at the begin are dropped where the question names its time."""
    bare_what: bool
    """Whether `what` and an article do as well (`quais as vendas`)."""
    inside: frozenset[str]
    """`in`: dropped before the time at the question's begin and end."""
    of: frozenset[str]
    """`of`: dropped between a measure and a time."""
    measures: frozenset[str]
    anchors: frozenset[str]
    """Words of time."""
    modifiers: frozenset[str]
    """Words that are of time beside one of these."""
    binding: frozenset[str]
    """Where one of these is, the time may not stand elsewhere: it may belong to a part of the question."""


def _phrases(*texts: str) -> tuple[Phrase, ...]:
    return tuple(sorted((tuple(text.split()) for text in texts), key=len, reverse=True))


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _map(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split())


def _asking(who: str, can: str, what: str) -> list[str]:
    """`can you` + `tell me`: each of `who` and `can` with each of `what`; parts are divided by `|`."""
    parts = (text.split("|") for text in (who, can, what))
    return [" ".join(" ".join(words).split()) for words in product(*parts)]


PORTUGUESE: Final = Language(
    marks=_set(
        "o os do da dos das em na nas nos foi foram qual quais quem quanto quanta quantos quantas não nao mês ano "
        "com vendas receita faturamento vendedor vendedores negócios passado mais uma um você me mostre ontem hoje "
        "são é houve"
    ),
    spellings=_map(
        "mes=mês nao=não ultimo=último ultimos=últimos ultima=última ultimas=últimas proximo=próximo proxima=próxima "
        "media=média medio=médio negocio=negócio negocios=negócios  voce=você vc=você amanha=amanhã "
        "numero=número regiao=região comissao=comissão sao=são "
        "dois=2 duas=2 três=3 tres=3 quatro=4 cinco=5 seis=6 sete=7 oito=8 nove=9 dez=10 onze=11 doze=12 "
        "fev=fevereiro abr=abril nov=novembro"
    ),
    openings=_phrases(
        *_asking(
            "|você|será que você",
            "pode|poderia|consegue|sabe",
            "me dizer|me mostrar|me informar|me falar|me passar|dizer|mostrar|informar",
        ),
        *_asking("|eu", "quero|queria|gostaria de|preciso", "saber|ver"),
        *_asking("", "me|", "mostre|mostra|diga|informe|apresente|exiba"),
        "me fale",
        "me dê",
        "me passe",
        "mostre-me",
        "diga-me",
        "então",
    ),
    greetings=_phrases("oi !", "olá", "ola", "bom dia", "boa tarde", "boa noite", "tudo bem"),
    thanks=_phrases("obrigado", "obrigada", "muito obrigado", "muito obrigada"),
    anywhere=_phrases("por favor", "por gentileza", "pfv"),
    articles=_set("o a os as"),
    free_articles=False,
    before_articles=_set("foi foram é são será serão qual quais todos todas"),
    deciding=_set("manhã tarde noite dia"),
    what=_set("qual quais"),
    was=_set("foi foram"),
    bare_what=True,
    inside=_set("em no na nos nas"),
    of=_set("de do da dos das"),
    measures=_set(
        "venda vendas receita receitas faturamento pedido pedidos negócio negócios ticket lucro custo custos "
        "comissão comissões"
    ),
    anchors=_set(
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro "
        "mês meses ano anos semana semanas trimestre trimestres semestre semestres quinzena dia dias "
        "hoje ontem anteontem amanhã segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo"
    ),
    modifiers=_set(
        "passado passada retrasado retrasada anterior atual corrente próximo próxima último última últimos últimas "
        "este esta neste nesta deste desta de do da primeiro segundo terceiro quarto que vem"
    ),
    binding=_set(
        "que quando depois antes após desde até entre contra versus vs e ou se sem não nunca nem mas porque "
        "enquanto onde cujo cuja como comparado comparada comparados comparadas"
    ),
)

ENGLISH: Final = Language(
    marks=_set(
        "the of in was were what which who how is are and for by last sales not please show tell did does do many "
        "much month year revenue from with this have has sold our"
    ),
    spellings=_map(
        "two=2 three=3 four=4 five=5 six=6 seven=7 eight=8 nine=9 ten=10 eleven=11 twelve=12 "
        "feb=february apr=april sept=september oct=october nov=november dec=december"
    ),
    openings=_phrases(
        *_asking("can you|could you|would you|will you", "|please", "tell me|show me|give me"),
        *_asking("i", "want|need|would like|'d like", "to know|to see"),
        *_asking("", "please|", "show me|tell me|give me"),
        *_asking("", "show|display", "the"),
    ),
    greetings=_phrases("hi", "hello", "hey", "hi there", "hello there", "good morning", "good afternoon"),
    thanks=_phrases("thanks", "thank you", "thanks a lot", "many thanks"),
    anywhere=_phrases("please", "pls", "plz"),
    articles=_set("the"),
    free_articles=True,
    before_articles=frozenset(),
    deciding=_set("last next past"),
    what=_set("what"),
    was=_set("was were"),
    bare_what=False,
    inside=_set("in during on"),
    of=_set("of"),
    measures=_set("sale sales revenue revenues order orders deal deals profit profits cost costs income turnover"),
    anchors=_set(
        "january february march april may june july august september october november december "
        "month months year years week weeks quarter quarters day days today yesterday tomorrow "
        "monday tuesday wednesday thursday friday saturday sunday"
    ),
    modifiers=_set("last this next previous current past first second third fourth 's the of"),
    binding=_set(
        "than that when after before since until till between versus vs and or if without not never nor but "
        "because while where whose as compared from to through"
    ),
)

SPANISH: Final = Language(
    marks=_set(
        "el la los las del en y fue fueron cuál cuáles cual cuales quién quien quiénes quienes cuánto cuánta cuántos "
        "cuántas cuanto cuantos cuantas año mes pasado con ventas ingresos vendedor más una muéstrame dime ayer hoy "
        "hubo son es lo"
    ),
    spellings=_map(
        "cual=cuál cuales=cuáles quien=quién quienes=quiénes cuanto=cuánto cuanta=cuánta cuantos=cuántos "
        "cuantas=cuántas ultimo=último ultimos=últimos ultima=última ultimas=últimas proximo=próximo proxima=próxima "
        "dia=día dias=días muestrame=muéstrame numero=número region=región "
        "dos=2 tres=3 cuatro=4 cinco=5 seis=6 siete=7 ocho=8 nueve=9 diez=10 once=11 doce=12"
    ),
    openings=_phrases(
        *_asking("|usted|tú", "puede|puedes|podría|podrías", "decirme|mostrarme|indicarme|darme"),
        *_asking("me", "puede|puedes|podría|podrías", "decir|mostrar|indicar|dar"),
        *_asking("", "quiero|quisiera|necesito|me gustaría", "saber|ver"),
        "dime",
        "muéstrame",
        "muestra",
        "indícame",
        "muestre",
        "dígame",
        "muéstreme",
    ),
    greetings=_phrases("hola", "buenos días", "buenas tardes", "buenas noches", "buenas"),
    thanks=_phrases("gracias", "muchas gracias"),
    anywhere=_phrases("por favor", "porfa"),
    articles=_set("el la los las"),
    free_articles=False,
    before_articles=_set("fue fueron es son será serán cuál cuáles todos todas"),
    deciding=_set("mañana tarde noche día"),
    what=_set("cuál cuáles"),
    was=_set("fue fueron"),
    bare_what=False,
    inside=_set("en"),
    of=_set("de del"),
    measures=_set(
        "venta ventas ingreso ingresos facturación pedido pedidos negocio negocios ganancia ganancias costo costos"
    ),
    anchors=_set(
        "enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre "
        "mes meses año años semana semanas trimestre trimestres semestre semestres quincena día días "
        "hoy ayer anteayer lunes martes miércoles jueves viernes sábado domingo"
    ),
    modifiers=_set(
        "pasado pasada anterior actual corriente próximo próxima último última últimos últimas este esta de del el la "
        "primer segundo tercer cuarto que viene"
    ),
    binding=_set(
        "que cuando después antes tras desde hasta entre contra versus vs y e o u si sin no nunca ni pero porque "
        "mientras donde cuyo cuya como comparado comparada comparados comparadas"
    ),
)

LANGUAGES: Final = (PORTUGUESE, ENGLISH, SPANISH)
