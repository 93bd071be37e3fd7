"""What the loader mends in the source's spelling, and how names are compared in spite of spelling. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final

CORRECTIONS: Final[dict[str, dict[str, str]]] = {
    "product": {"GTXPro": "GTX Pro"},
    "sector": {"technolgy": "technology"},
    "office_location": {"Philipines": "Philippines"},
}
"""By column: the source's spelling and the right one. `GTXPro` is in 1,480 opportunities."""


def cleaned(column: str, value: str | None) -> str | None:
    """The value with the source's misspelling mended; blank is None."""
    if value is None or not value.strip():
        return None
    return CORRECTIONS.get(column, {}).get(value, value)


def folded(text: str) -> str:
    """Letters and digits alone, without case and accents: `GTX-Pro`, `gtx pro` and `GTXPro` are one."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if character.isalnum())
