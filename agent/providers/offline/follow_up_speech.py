"""What is said about follow-ups, in the three languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from agent.providers.offline.follow_ups import Slot
from agent.providers.offline.question import Language


class FollowUpSpeech(msgspec.Struct, frozen=True, kw_only=True):
    """Sentences; `{name}` marks what is filled in. Every question begins with `asking`, by which it is known again."""

    asking: str
    slots: Mapping[Slot, str]
    conjunction: str
    past: str
    unknown_account: str
    nearest: str
    done: str
    not_allowed: str
    unknown_outcome: str
    failed: str


FOLLOW_UP_SPEECHES: Final[dict[Language, FollowUpSpeech]] = {
    "pt": FollowUpSpeech(
        asking="Para criar o follow-up,",
        slots={
            "account": "para qual cliente ele é",
            "note": "o que deve ser feito",
            "due_date": "até que dia, por exemplo 15/01/2018",
        },
        conjunction=" e ",
        past="Para criar o follow-up, diga um dia que ainda não passou: hoje é {today}.",
        unknown_account="Para criar o follow-up, preciso de um cliente dos dados; não encontrei “{account}”.",
        nearest=" Os nomes mais parecidos: {names}.",
        done="Follow-up criado para **{account}**, até **{day}**: {note}",
        not_allowed="O follow-up não foi criado, porque a ação não foi autorizada.",
        unknown_outcome=(
            "Não sei se o follow-up foi criado: a operação foi interrompida. Para não duplicá-lo, não vou repeti-la."
        ),
        failed="Não consegui criar o follow-up agora, e nada foi gravado. Tente de novo em instantes.",
    ),
    "en": FollowUpSpeech(
        asking="To create the follow-up,",
        slots={
            "account": "for which customer it is",
            "note": "what is to be done",
            "due_date": "by which day, such as 2018-01-15",
        },
        conjunction=" and ",
        past="To create the follow-up, tell me a day that is not past: today is {today}.",
        unknown_account="To create the follow-up, I need a customer of the data; I did not find “{account}”.",
        nearest=" The nearest names: {names}.",
        done="Follow-up created for **{account}**, due **{day}**: {note}",
        not_allowed="The follow-up was not created, because it was not allowed.",
        unknown_outcome=(
            "I do not know whether the follow-up was created: it was interrupted. I will not repeat it, so that it is "
            "not doubled."
        ),
        failed="I could not create the follow-up now, and nothing was saved. Try again in a moment.",
    ),
    "es": FollowUpSpeech(
        asking="Para crear el seguimiento,",
        slots={
            "account": "para qué cliente es",
            "note": "qué hay que hacer",
            "due_date": "hasta qué día, por ejemplo 15/01/2018",
        },
        conjunction=" y ",
        past="Para crear el seguimiento, diga un día que no haya pasado: hoy es {today}.",
        unknown_account="Para crear el seguimiento, necesito un cliente de los datos; no encontré “{account}”.",
        nearest=" Los nombres más parecidos: {names}.",
        done="Seguimiento creado para **{account}**, hasta el **{day}**: {note}",
        not_allowed="El seguimiento no se creó, porque la acción no fue autorizada.",
        unknown_outcome=(
            "No sé si el seguimiento se creó: la operación se interrumpió a mitad. Para no duplicarlo, no la repetiré."
        ),
        failed="No pude crear el seguimiento ahora, y no se guardó nada. Inténtelo de nuevo en un momento.",
    ),
}
TELL: Final[dict[Language, str]] = {"pt": "diga", "en": "tell me", "es": "diga"}


def is_question(reply: str) -> bool:
    """Whether a reply asked for what a follow-up still lacks."""
    return any(reply.startswith(speech.asking) for speech in FOLLOW_UP_SPEECHES.values())
