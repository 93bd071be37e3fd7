from agent.providers.scripted import Call, Say, ScriptedProvider
from tests.agent.conftest import Bench, assert_event_types


async def test_smoke(bench: Bench) -> None:
    provider = ScriptedProvider(
        [[Say("Let me "), Say("look."), Call("look", {"x": 1})], [Say("Ten"), Say(" dollars.")]]
    )
    record = await bench.run(provider)
    assert bench.writer.text == "Let me look.\n\nTen dollars."
    print(bench.writer.types)
    print(record)
    print(bench.writer.history)
    print(bench.writer.journal[-1])
    assert_event_types(bench.writer)
