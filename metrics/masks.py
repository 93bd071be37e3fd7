"""What must not stand in a log: people's data in prompts, secrets anywhere. Pure, deterministic, no network, no model.

Rules are patterns; where a number has check digits they decide, so that an order number of eleven digits stays
readable. A number that is written as a CPF or CNPJ, with its dots and dashes, is masked even where a digit is wrong.
Every pattern takes time linear in its text (16,000 characters of the worst kind: 10 ms), whatever users write.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

Prompts = Literal["off", "masked", "full"]
"""What the log keeps of prompts: nothing, the masked beginning, everything (for development)."""

PROMPT_CHARACTERS: Final = 500
"""Of a masked prompt; more is cut, with an ellipsis as the last character."""

_SECRETS: Final = re.compile(
    r"""
      \b(?:sk|pk|rk|prosa)[-_][A-Za-z0-9_-]{16,}            # OpenAI, Anthropic, Stripe, ours
    | \bAIza[A-Za-z0-9_-]{30,}                              # Google
    | \b(?:ghp|gho|ghu|ghs|ghr|github_pat|glpat|hf|gsk)[-_][A-Za-z0-9_-]{16,}
    | \bxox[abeoprs]-[A-Za-z0-9-]{10,}                      # Slack
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                         # AWS
    | \bEAA[A-Za-z0-9]{30,}                                 # Meta (WhatsApp)
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*  # JSON Web Tokens (RFC 7519)
    | \bticket\.[A-Za-z0-9_-]{8,}                           # our WebSocket tickets
    """,
    re.VERBOSE,
)
_NAMED_SECRETS: Final = re.compile(
    r"""(?ix)
    ( (?<![A-Za-z])(?:api[-_]?key|token|ticket|secret|password|passwd|senha)
      ["']? \s* [=:] \s* ["']?
    | \bauthorization ["']? \s* [=:] \s* ["']? (?:basic\s+|bearer\s+)?
    | \bbearer\s+(?=\S{12}) )
    (?!\[) ([^\s"'&,;)\]}]{4,})
    """
)
_URL_PASSWORD: Final = re.compile(r"(?<=://)([^\s:/@]*):([^\s/@]+)@")
_LONG_TOKEN: Final = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{40,}")

_DIGIT: Final = re.compile(r"\d")
_EMAIL: Final = re.compile(r"[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[^\W\d_]{2,24}\b")
_CNPJ: Final = re.compile(
    r"\b([A-Za-z0-9]{2})(\.?)([A-Za-z0-9]{3})(\.?)([A-Za-z0-9]{3})(/?)([A-Za-z0-9]{4})(-?)(\d{2})\b"
)
_CPF: Final = re.compile(r"\b\d{3}(\.?)\d{3}(\.?)\d{3}(-?)\d{2}\b")
_CARD: Final = re.compile(r"\b[2-6]\d{3}(?:[ -]?\d){10,15}\b")
_PHONE: Final = re.compile(
    r"""
      (?<![\w.])\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d{2,4}\b   # international, with its plus
    | (?<![\w.])\(\d{2,3}\)[ ]?9?[ ]?\d{3,4}[ .-]?\d{4}\b              # (11) 91234-5678
    | (?<![\w.-])(?:55[ .-]?)?\d{2}[ .-]9?[ ]?\d{4}[ .-]\d{4}\b        # 11 91234-5678
    | (?<![\w.-])9?\d{4}-\d{4}\b(?!-)                                  # 91234-5678
    | (?<![\w.,-])(?:55)?[1-9]\d9\d{8}\b(?![.,-]\d)                    # 11912345678, a Brazilian mobile
    | (?<![\w.,-])55[1-9]\d[2-5]\d{7}\b(?![.,-]\d)                     # 551131234567, a Brazilian landline
    """,
    re.VERBOSE,
)


def redact(text: str) -> str:
    """Take secrets out of any text: keys, tokens, passwords, those in URLs included. The rest stays as it is."""
    text = _SECRETS.sub("[secret]", text)
    if "://" in text:
        text = _URL_PASSWORD.sub(r"\1:[secret]@", text)
    # a name and its secret have one of these between them, but for `bearer`; looking for names letter by letter is slow
    if "=" in text or ":" in text or "bearer" in text.lower():
        text = _NAMED_SECRETS.sub(r"\1[secret]", text)
    return text


def mask(text: str) -> str:
    """Take secrets and personal data out of a text: e-mails, phones, CPF, CNPJ (also with letters), cards."""
    text = _LONG_TOKEN.sub(_where(_is_mixed, "[secret]"), redact(text))
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
    if _DIGIT.search(text) is None:  # all that follows is numbers
        return text
    text = _CNPJ.sub(_where(_is_cnpj, "[cnpj]"), text)
    text = _CARD.sub(_where(_is_card, "[card]"), text)
    text = _CPF.sub(_where(_is_cpf, "[cpf]"), text)
    return _PHONE.sub("[phone]", text)


def mask_prompt(text: str, prompts: Prompts = "masked") -> str | None:
    """What the log may keep of a prompt; None: nothing. Masking what is masked changes nothing."""
    match prompts:
        case "off":
            return None
        case "full":
            return redact(text)
        case "masked":
            masked = mask(text)  # all of it, before the cut: half a number is one that no rule knows
            return masked if len(masked) <= PROMPT_CHARACTERS else masked[: PROMPT_CHARACTERS - 1] + "…"


def _where(is_one: Callable[[re.Match[str]], bool], mask: str) -> Callable[[re.Match[str]], str]:
    return lambda match: mask if is_one(match) else match[0]


def _is_mixed(match: re.Match[str]) -> bool:
    """Letters and digits in one long run: a key, not a word and not a ruler of dashes."""
    return any(character.isalpha() for character in match[0]) and any(character.isdigit() for character in match[0])


def _is_cnpj(match: re.Match[str]) -> bool:
    if match[2] and match[4] and match[6] and match[8]:
        return True  # XX.XXX.XXX/XXXX-NN: nothing else is written so
    characters = re.sub(r"[./-]", "", match[0]).upper()
    # Each character counts as its ASCII code less 48 (Receita Federal, IN RFB 2.229/2024), so digits count as ever.
    values = [ord(character) - 48 for character in characters]
    return len(set(values)) > 1 and _mod_11(values[:12], 9) == values[12] and _mod_11(values[:13], 9) == values[13]


def _is_cpf(match: re.Match[str]) -> bool:
    if match[1] and match[2] and match[3]:
        return True
    values = [int(character) for character in match[0] if character.isdigit()]
    return len(set(values)) > 1 and _mod_11(values[:9], 11) == values[9] and _mod_11(values[:10], 11) == values[10]


def _mod_11(values: list[int], highest: int) -> int:
    """The check digit: weights 2, 3, ... `highest`, 2, 3, ... from the right."""
    weights = [2 + place % (highest - 1) for place in range(len(values))]
    rest = sum(value * weight for value, weight in zip(reversed(values), weights, strict=True)) % 11
    return 0 if rest < 2 else 11 - rest


def _is_card(match: re.Match[str]) -> bool:
    """Luhn's check (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in reversed(match[0]) if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
