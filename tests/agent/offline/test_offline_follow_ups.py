"""Follow-ups by the offline provider: what it understands, what it asks for, what it tells of the outcome."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from agent.providers.offline.due_dates import find_due_date
from agent.providers.offline.follow_ups import asks_for_follow_up
from agent.providers.offline.question import Language
from core.errors import ToolError
from core.models import ToolSpec
from core.ports import ToolContext, ToolOutcome, Tools
from tests.agent.offline.talk import Reply, Talk
from tools import Registry

TODAY = date(2017, 12, 31)  # a Sunday


def created(reply: Reply) -> list[tuple[str, str, str]]:
    """The follow-ups that a turn made."""
    calls = [json.loads(call.arguments) for call in reply.calls if call.name == "create_follow_up"]
    return [(call["account"], call["note"], call["due_date"]) for call in calls]


ONE_MESSAGE: dict[str, tuple[str, str, str, str]] = {
    "pt": (
        "Crie um follow-up para a Cancity: ligar sobre renovação, até 15/01/2018",
        "Cancity", "ligar sobre renovação", "2018-01-15",
    ),
    "pt_date_first": (
        "Criar follow-up até 2018-02-01 para a Kan-code: enviar proposta", "Kan-code", "enviar proposta", "2018-02-01",
    ),
    "pt_no_colon": (
        "Pode criar um follow up para a Cancity amanhã para revisar o contrato?",
        "Cancity", "revisar o contrato", "2018-01-01",
    ),
    "pt_reminder": (
        "Lembre-me de ligar para a Cancity em 3 dias", "Cancity", "ligar para a Cancity", "2018-01-03",
    ),
    "pt_agenda": (
        "Agende um lembrete para a Acme Corporation: mandar o orçamento na próxima segunda",
        "Acme Corporation", "mandar o orçamento", "2018-01-01",
    ),
    "pt_month": (
        "Crie um lembrete para a Cancity: visita, até 20 de janeiro", "Cancity", "visita", "2018-01-20",
    ),
    "en": (
        "Create a follow-up for Cancity: call about the renewal by 2018-01-15",
        "Cancity", "call about the renewal", "2018-01-15",
    ),
    "en_please": (
        "Please schedule a follow-up with Kan-code next Friday to send the offer",
        "Kan-code", "send the offer", "2018-01-05",
    ),
    "en_remind": ("Remind me to call Cancity tomorrow", "Cancity", "call Cancity", "2018-01-01"),
    "en_month": (
        "Add a reminder for Cancity: renewal, due January 15, 2018", "Cancity", "renewal", "2018-01-15",
    ),
    "en_month_first": (
        "Create a follow-up for Cancity: renewal by 01/15/2018", "Cancity", "renewal", "2018-01-15",
    ),
    "es": (
        "Crea un seguimiento para Cancity: llamar por la renovación, hasta el 15/01/2018",
        "Cancity", "llamar por la renovación", "2018-01-15",
    ),
    "es_reminder": (
        "Recuérdame llamar a Cancity pasado mañana", "Cancity", "llamar a Cancity", "2018-01-02",
    ),
    "es_in_days": (
        "Quiero crear un recordatorio para Cancity: enviar la oferta, en dos semanas",
        "Cancity", "enviar la oferta", "2018-01-14",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "account", "note", "day"), ONE_MESSAGE.values(), ids=ONE_MESSAGE.keys())
async def test_one_message_is_enough(talk: Talk, text: str, account: str, note: str, day: str) -> None:
    reply = await talk.say(text)

    assert created(reply) == [(account, note, day)]
    assert not talk.results[-1].failed


CONFIRMED: dict[str, tuple[str, str]] = {
    "pt": (ONE_MESSAGE["pt"][0], "Follow-up criado para **Cancity**, até **15/01/2018**: ligar sobre renovação"),
    "en": (ONE_MESSAGE["en"][0], "Follow-up created for **Cancity**, due **"),
    "es": (ONE_MESSAGE["es"][0], "Seguimiento creado para **Cancity**, hasta el **15/01/2018**: llamar por"),
}


@pytest.mark.parametrize(("text", "beginning"), CONFIRMED.values(), ids=CONFIRMED.keys())
async def test_it_is_confirmed_in_the_users_language(talk: Talk, text: str, beginning: str) -> None:
    assert (await talk.say(text)).text.startswith(beginning)


async def test_what_is_missing_is_asked_for_until_all_is_known(talk: Talk) -> None:
    first = await talk.say("Crie um follow-up")
    second = await talk.say("para a Cancity")
    third = await talk.say("ligar sobre a renovação")
    fourth = await talk.say("15/01/2018")

    assert first.text.startswith(
        "Para criar o follow-up, diga para qual cliente ele é, o que deve ser feito e até que dia"
    )
    assert second.text.startswith("Para criar o follow-up, diga o que deve ser feito e até que dia")
    assert third.text.startswith("Para criar o follow-up, diga até que dia")
    assert [created(reply) for reply in (first, second, third)] == [[], [], []]
    assert created(fourth) == [("Cancity", "ligar sobre a renovação", "2018-01-15")]


async def test_a_customer_that_nobody_knows_is_said_with_the_nearest_and_can_be_put_right(talk: Talk) -> None:
    first = await talk.say("Crie um follow-up para a Kancitty: ligar, até 15/01/2018")
    second = await talk.say("Cancity")

    assert "Cancity" in first.text
    assert created(second)[-1:] in ([("Cancity", "ligar", "2018-01-15")], [])
    assert [created(first), created(second)].count([("Cancity", "ligar", "2018-01-15")]) == 1


async def test_an_unknown_customer_is_never_made_up(talk: Talk) -> None:
    first = await talk.say("Crie um follow-up para a Zyxwv Ltda: ligar, até 15/01/2018")
    second = await talk.say("Cancity")

    assert "não encontrei “Zyxwv Ltda”" in first.text
    assert created(second) == [("Cancity", "ligar", "2018-01-15")]


async def test_a_day_that_is_over_is_asked_for_again(talk: Talk) -> None:
    first = await talk.say("Crie um follow-up para a Cancity: ligar, até 15/01/2017")
    second = await talk.say("amanhã")

    assert first.text.startswith("Para criar o follow-up, diga um dia que ainda não passou: hoje é 31/12/2017.")
    assert created(second) == [("Cancity", "ligar", "2018-01-01")]


async def test_a_day_that_can_be_read_in_two_ways_is_asked_for(talk: Talk) -> None:
    reply = await talk.say("Create a follow-up for Cancity: renewal by 03/04/2018")

    assert created(reply) == []
    assert reply.text.startswith("To create the follow-up, tell me by which day")


async def test_who_changes_the_subject_is_followed(talk: Talk) -> None:
    await talk.say("Crie um follow-up para a Cancity")
    reply = await talk.say("quanto vendemos no mês passado?")

    assert created(reply) == []
    assert reply.queries


@pytest.mark.parametrize("text", ["não", "cancela", "deixa pra lá"])
async def test_a_wish_can_be_taken_back(talk: Talk, text: str) -> None:
    await talk.say("Crie um follow-up para a Cancity: ligar")
    await talk.say(text)
    reply = await talk.say("15/01/2018")

    assert created(reply) == []


async def test_a_yes_after_a_follow_up_makes_no_second_one(talk: Talk) -> None:
    await talk.say(ONE_MESSAGE["pt"][0])
    reply = await talk.say("sim")

    assert reply.calls == ()


async def test_asking_again_makes_another_one(talk: Talk) -> None:
    await talk.say(ONE_MESSAGE["pt"][0])
    reply = await talk.say(ONE_MESSAGE["es"][0])

    assert created(reply) == [("Cancity", "llamar por la renovación", "2018-01-15")]


@pytest.mark.parametrize(
    "text",
    [
        "quantos negócios fechamos com a Cancity?",
        "receita da Cancity em janeiro",
        "how many open deals need attention?",
        "crie um relatório",
        "e por vendedor?",
    ],
)
def test_other_wishes_are_not_taken_for_follow_ups(text: str) -> None:
    assert not asks_for_follow_up(text, "pt")


# ---------------------------------------------------------------- what comes back


class Answering:
    """The real tools, but for `create_follow_up`, which answers what it is told to."""

    def __init__(self, tools: Tools, answer: str | ToolError) -> None:
        self._tools, self._answer = tools, answer

    def specs(self) -> tuple[ToolSpec, ...]:
        return self._tools.specs()

    def check(self, name: str, arguments: str) -> dict[str, Any]:
        return self._tools.check(name, arguments)

    async def call(self, name: str, arguments: dict[str, Any], context: ToolContext) -> ToolOutcome:
        if name != "create_follow_up":
            return await self._tools.call(name, arguments, context)
        if isinstance(self._answer, ToolError):
            raise self._answer
        return ToolOutcome(content=self._answer, summary="")


EDITED = (
    '{"follow_up_id":1,"account":"Cancity","note":"visitar","due_date":"2018-02-01"}\n\n[The call was allowed with other '
    'arguments, and these were used in place of yours: {"note":"visitar"}]'
)
OUTCOMES: dict[str, tuple[str | ToolError, str]] = {
    "unknown": (ToolError("whether it took effect is unknown. Do not repeat it"), "Não sei se o follow-up foi criado"),
    "not_allowed": (ToolError("The user did not allow this call, so it was not run."), "O follow-up não foi criado"),
    "away": (ToolError("The follow-up was not created: the database does not answer."), "Não consegui criar"),
    "past": (ToolError("due_date is in the past: today is 2018-05-01."), "Para criar o follow-up, diga um dia"),
    "unknown_customer": (ToolError("No account is named 'X'."), "Para criar o follow-up, preciso de um cliente"),
    "edited": (EDITED, "Follow-up criado para **Cancity**, até **01/02/2018**: visitar"),
}


@pytest.mark.parametrize(("answer", "beginning"), OUTCOMES.values(), ids=OUTCOMES.keys())
async def test_the_outcome_is_told_as_it_is(sales_tools: Registry, answer: str | ToolError, beginning: str) -> None:
    talk = Talk(Answering(sales_tools, answer))

    reply = await talk.say(ONE_MESSAGE["pt"][0])

    assert reply.text.startswith(beginning)


async def test_without_the_tool_it_says_that_it_changes_nothing(sales_tools: Registry) -> None:
    talk = Talk(sales_tools.only(["sales_query", "sales_find"]))

    reply = await talk.say("Crie um follow-up para a Cancity: ligar, até 15/01/2018")

    assert reply.text.startswith("Não posso fazer isso: não altero os dados")


# ---------------------------------------------------------------- days

DAYS: dict[str, tuple[str, Language, date | None]] = {
    "iso": ("até 2018-01-15", "pt", date(2018, 1, 15)),
    "no_such_day": ("até 30/02/2018", "pt", None),
    "without_a_year_it_is_the_next": ("até 15/01", "pt", date(2018, 1, 15)),
    "today_without_a_year": ("até 31/12", "pt", TODAY),
    "short_year": ("15/01/18", "es", date(2018, 1, 15)),
    "dots": ("15.01.2018", "pt", date(2018, 1, 15)),
    "first": ("1º de fevereiro", "pt", date(2018, 2, 1)),
    "of_next_year": ("dia 3 de março de 2019", "pt", date(2019, 3, 3)),
    "spanish_month": ("el 3 de enero", "es", date(2018, 1, 3)),
    "english_ordinal": ("by March 3rd", "en", date(2018, 3, 3)),
    "english_both_the_same": ("by 03/03/2018", "en", date(2018, 3, 3)),
    "english_day_first": ("by 15/01/2018", "en", date(2018, 1, 15)),
    "today": ("hoje", "pt", TODAY),
    "after_tomorrow": ("depois de amanhã", "pt", date(2018, 1, 2)),
    "the_day_after_tomorrow": ("the day after tomorrow", "en", date(2018, 1, 2)),
    "weeks": ("daqui a duas semanas", "pt", date(2018, 1, 14)),
    "days": ("within 10 days", "en", date(2018, 1, 10)),
    "same_weekday_is_in_a_week": ("on Sunday", "en", date(2018, 1, 7)),
    "weekday": ("na quarta-feira", "pt", date(2018, 1, 3)),
    "weekday_es": ("el lunes", "es", date(2018, 1, 1)),
}


@pytest.mark.parametrize(("text", "language", "day"), DAYS.values(), ids=DAYS.keys())
def test_days_are_read(text: str, language: Language, day: date | None) -> None:
    found = find_due_date(text, language, TODAY)

    assert found is not None
    assert (found.first, found.day) == (0, day)


@pytest.mark.parametrize("text", ["segunda reunião", "ligar 3 vezes", "na semana que vem"])
def test_what_is_no_day_is_not_read_as_one(text: str) -> None:
    assert find_due_date(text, "pt", TODAY) is None


@pytest.mark.parametrize("text", ["amanhã", "15/01", "em 3 dias", "na segunda"])
def test_days_that_depend_on_today_say_so(text: str) -> None:
    found = find_due_date(text, "pt", None)

    assert found is not None
    assert (found.day, found.needs_today) == (None, True)
