from __future__ import annotations

import pytest

from agent.providers.scripted import Say, ScriptedProvider
from core.errors import ProviderError
from core.models import ModelRequest, TextDelta

REQUEST = ModelRequest(model="any", messages=())


async def text_of(provider: ScriptedProvider) -> str:
    async with provider.stream(REQUEST) as events:
        return "".join([event.text async for event in events if isinstance(event, TextDelta)])


async def test_each_call_takes_the_next_script_until_none_is_left():
    provider = ScriptedProvider([[Say("one")], [Say("two")]])

    assert [await text_of(provider), await text_of(provider)] == ["one", "two"]
    with pytest.raises(ProviderError, match="no script left"):
        await text_of(provider)
    assert provider.requests == [REQUEST] * 3


async def test_on_repeat_the_scripts_begin_again_and_nothing_is_remembered():
    provider = ScriptedProvider([[Say("one")], [Say("two")]], repeat=True)

    assert [await text_of(provider) for _ in range(5)] == ["one", "two", "one", "two", "one"]
    assert provider.requests == []
