"""A tool's title in the user's language."""

from __future__ import annotations

import pytest

from core.models import ToolSpec

SPEC = ToolSpec(name="sales", title="Sales data", titles={"pt": "Dados de vendas"}, description="", parameters={})


@pytest.mark.parametrize(
    ("locale", "title"),
    [("pt-BR", "Dados de vendas"), ("PT", "Dados de vendas"), ("en-US", "Sales data"), (None, "Sales data")],
)
def test_a_title_is_given_in_the_users_language_where_there_is_one(locale: str | None, title: str) -> None:
    assert SPEC.title_for(locale) == title
