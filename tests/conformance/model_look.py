"""A look behind the scenes: all that Redis holds at one moment, held against a `Store`."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import redis

from core.events import Event
from core.turns import HistoryEntry, JournalEntry, ModelCalled, TurnRecord
from core.view import apply
from memory.keys import Keys
from tests.conformance.model_cluster import instance_of
from tests.conformance.model_parts import Session, Turn
from tests.conformance.model_turns import Store

_PICTURE = """
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind, value = redis.call('TYPE', key).ok, nil
  if kind == 'string' then value = redis.call('GET', key)
  elseif kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1)
  else value = redis.call('XRANGE', key, '-', '+') end
  all[#all + 1] = {key, kind, redis.call('TTL', key), value}
end
return all
"""
_MEMORY = Path(__file__).parents[2] / "memory"
_LISTED = re.compile(r"\b(\w+)(?::<\w+>)*\s+(STRING|HASH|LIST|SET|ZSET|STREAM)\b")
_WITHOUT_TTL = {"r", "tenants", "b", "leases", "parked", "outbox", "merges", "erasures"}
"""Kinds that live for ever, because whoever puts something there takes it out: queues, lists of what is to be done."""
_OF_THE_WHOLE = {"prosa:partitions", "prosa:instance"}

_EVENTS = msgspec.json.Decoder(list[Event])
_ENTRY = msgspec.json.Decoder(JournalEntry)


@dataclass(frozen=True)
class Key:
    """A key of a partition: its kind is what stands before the first colon."""

    partition: int
    kind: str
    name: str


class Picture:
    """What Redis holds: values by key, as text."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        prefixes = {keys.prefix(partition): partition for partition in range(keys.partitions)}
        found: Any = client.eval(_PICTURE, 0)
        self.values: dict[Key, Any] = {}
        self.kinds: dict[Key, str] = {}
        self.without_ttl: set[str] = set()
        for raw_key, kind, ttl_s, value in found:
            name = raw_key.decode()
            if name in _OF_THE_WHOLE:
                continue
            prefix = next(prefix for prefix in prefixes if name.startswith(prefix))
            head, _, rest = name.removeprefix(prefix).partition(":")
            key = Key(prefixes[prefix], head, rest)
            self.values[key] = _text(value)
            self.kinds[key] = kind.decode().upper()
            if ttl_s < 0:
                self.without_ttl.add(head)

    def of(self, partition: int, kind: str, name: str = "") -> Any:
        """The value of a key; empty where there is none."""
        return self.values.get(Key(partition, kind, name), [])

    def hash(self, partition: int, kind: str, name: str) -> dict[str, str]:
        """The fields of a hash."""
        flat = self.of(partition, kind, name)
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def named(self, partition: int, kind: str) -> dict[str, Any]:
        """All values of a kind, by name."""
        return {key.name: value for key, value in self.values.items() if (key.partition, key.kind) == (partition, kind)}

    def names(self, kind: str) -> set[str]:
        """The names of all keys of a kind."""
        return {key.name for key in self.values if key.kind == kind}


class Look:
    """Compares; remembers every epoch that there ever was, because none may come again."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._epochs: set[str] = set()
        self._listed = _listed()

    def compare(self, store: Store) -> None:
        """Raise AssertionError where Redis holds something else than the store."""
        picture = Picture(self._client, self._keys)
        self._compare_keys(picture)
        assert picture.names("s") == set(store.sessions)
        assert picture.names("t") == set(store.turns)
        assert picture.names("a") == set(store.approvals)
        assert picture.names("d") == set(store.deliveries)
        for session in store.sessions.values():
            self._compare_session(store, session, picture)
        for turn in store.turns.values():
            _compare_turn(store, turn, picture)
        for partition in range(self._keys.partitions):
            _compare_queues(store, partition, picture)
            _compare_deliveries(store, partition, picture)
            records = [_record(entry) for entry in picture.of(partition, "outbox")]
            assert records == store.outbox.get(partition, [])

    def _compare_keys(self, picture: Picture) -> None:
        """Every key is listed, of the type that is listed, and has a TTL or an owner."""
        for key, kind in picture.kinds.items():
            assert self._listed.get(key.kind) == kind, f"{key} is not listed as a {kind} in memory/lua"
        forever = picture.without_ttl - _WITHOUT_TTL
        assert not forever, f"keys of these kinds have no TTL: {sorted(forever)}"

    def _compare_session(self, store: Store, session: Session, picture: Picture) -> None:
        meta = picture.hash(session.partition, "s", session.session_id)
        assert (meta["tenant"], meta["user_id"]) == (session.tenant, session.user_id)
        assert ("erased" in meta) == session.erased
        if session.erased:
            kinds = {key.kind for key in picture.values if key.name == session.session_id}
            assert kinds == {"s"}, f"an erased session still has {kinds}"
            return
        if session.life != store.life and meta["instance"] == instance_of(store.life):
            store.begin_anew(session)  # by a `take` that met it
        assert meta["instance"] == instance_of(session.life)
        self.compare_epoch(session, meta["epoch"])
        running = store.turns.get(session.current)
        assert {name: meta[name] for name in ("current", "latest", "nonce", "fence", "cancel", "seq")} == {
            "current": session.current,
            "latest": session.latest,
            "nonce": session.nonce,
            "fence": str(session.fence),
            "cancel": running.cancelled_by if running else "",
            "seq": str(len(session.log)),
        }
        assert meta.get("moved", "") == session.moved
        assert meta.get("parked", "") == (running.approval_id if running else "")
        assert picture.of(session.partition, "i", session.session_id) == session.inbox
        assert len(picture.hash(session.partition, "c", session.session_id)) == len(session.replies)
        history = picture.of(session.partition, "h", session.session_id)
        assert [msgspec.json.decode(entry, type=HistoryEntry).turn_id for entry in history] == session.history
        _compare_log(session, int(meta["floor"]), picture.of(session.partition, "l", session.session_id))

    def compare_epoch(self, session: Session, epoch: str) -> None:
        """The session has that epoch; one that is new must never have been."""
        if session.epoch is None:
            assert epoch not in self._epochs, "an epoch came again"
            self._epochs.add(epoch)
            session.epoch = session.shown.epoch = epoch
        assert epoch == session.epoch


def _listed() -> dict[str, str]:
    """The kinds of keys that the scripts' comments list, and their types."""
    lines = "\n".join(path.read_text() for path in _MEMORY.glob("lua/*.lua")).splitlines()
    return dict(_LISTED.findall("\n".join(line for line in lines if line.startswith("--"))))


def _compare_log(session: Session, floor: int, entries: list[Any]) -> None:
    """The log is gapless from its floor to its head and never rewritten; what is new says what it must."""
    after = floor
    for entry_id, (_, first, _, payload) in entries:
        last = int(entry_id.removesuffix("-0"))
        assert int(first) == after + 1
        after = last
        if entry_id in session.payloads:
            assert session.payloads[entry_id] == payload
            continue
        session.payloads[entry_id] = payload
        for seen, event in zip(msgspec.json.decode(payload), _EVENTS.decode(payload), strict=True):
            apply(session.shown, event)
            seq = session.shown.seq
            expected = {"seq": seq, "session_id": session.session_id, **session.log[seq - 1]}
            assert expected.items() <= seen.items(), f"expected {expected}, the log says {seen}"
    assert after == len(session.log) == session.shown.seq


def _compare_turn(store: Store, turn: Turn, picture: Picture) -> None:
    partition = store.sessions[turn.session_id].partition
    fields = picture.hash(partition, "t", turn.turn_id)
    assert {name: fields[name] for name in ("session_id", "state", "attempt", "runs", "cancel")} == {
        "session_id": turn.session_id,
        "state": turn.state,
        "attempt": str(turn.attempt),
        "runs": str(turn.runs),
        "cancel": turn.cancelled_by,
    }
    assert ("record" in fields) == turn.ended
    journal = [_ENTRY.decode(entry) for entry in picture.of(partition, "j", turn.turn_id)]
    assert journal == [without_prompt(entry) for entry in turn.journal]
    assert fields.get("approval", "") == turn.approval_id
    for approval in (each for each in store.approvals.values() if each.turn_id == turn.turn_id):
        kept = picture.hash(partition, "a", approval.approval_id)
        assert (kept["turn_id"], kept["session_id"]) == (turn.turn_id, turn.session_id)
        assert (kept["state"], kept["approver"]) == (approval.state, approval.approver)


def _compare_queues(store: Store, partition: int, picture: Picture) -> None:
    """Every turn that has not ended is in one place: behind another one, ready, under a lease, or parked."""
    ready = {tenant: line for (of, tenant), line in store.ready.items() if of == partition and line}
    assert picture.named(partition, "r") == ready
    assert sorted(picture.of(partition, "tenants")) == sorted(ready)
    mine = {turn.turn_id for turn in store.turns.values() if store.sessions[turn.session_id].partition == partition}
    leases = picture.of(partition, "leases")
    assert set(leases) == mine & set(store.leases)
    by_tenant = [(tenant, each) for tenant, turns in picture.named(partition, "b").items() for each in turns]
    assert sorted(by_tenant) == sorted((store.turns[turn_id].tenant, turn_id) for turn_id in leases)
    parked = picture.of(partition, "parked")
    assert set(parked) == {turn_id for turn_id in mine if store.turns[turn_id].state == "parked"}
    waiting = chain(*picture.named(partition, "i").values())
    places = Counter([*leases, *parked, *chain(*ready.values()), *waiting])
    assert places == Counter(turn_id for turn_id in mine if not store.turns[turn_id].ended)


def _compare_deliveries(store: Store, partition: int, picture: Picture) -> None:
    for delivery in store.deliveries.values():
        if store.sessions[delivery.session_id].partition != partition:
            continue
        fields = picture.hash(partition, "d", delivery.delivery_id)
        assert (fields["status"], fields["attempt"]) == (delivery.status, str(delivery.attempt))
        name = f"{delivery.channel}:{delivery.tenant}"
        waits = delivery.delivery_id in picture.of(partition, "dw", name)
        leased = delivery.delivery_id in picture.of(partition, "dl", name)
        assert (waits, leased) == (delivery.place == "waiting", delivery.place in ("leased", "run out"))


def without_prompt(entry: JournalEntry) -> JournalEntry:
    """The entry as the journal keeps it."""
    return msgspec.structs.replace(entry, prompt=()) if isinstance(entry, ModelCalled) else entry


def _record(entry: Any) -> tuple[str, str, str]:
    _, (_, session_id, _, record) = entry
    decoded = msgspec.json.decode(record, type=TurnRecord)
    assert decoded.session_id == session_id
    return decoded.turn_id, decoded.outcome, session_id


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else [_text(part) for part in value]
