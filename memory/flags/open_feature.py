"""Flags by the OpenFeature API: a provider over the node's snapshot, and `core.ports.Flags` by a client of it.

Each node has a domain of its own, because tests run several in one process and OpenFeature's registry is the
process's. Whoever writes code in that process may ask by `openfeature.api.get_client(domain)` as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal, TypeVar, cast

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata
from openfeature.provider.no_op_provider import NoOpProvider

from core.flag_catalog import Catalog, FlagKind, known_flag
from core.flags import ALL_TENANTS, Evaluation, FlagContext, FlagSnapshot
from memory.flags.live import LiveFlags

Value = TypeVar("Value")
_Object = Sequence[FlagValueType] | Mapping[str, FlagValueType]
_NOTHING: Final[dict[str, FlagValueType]] = {}
"""Stands for None, which is no value in OpenFeature."""
_GONE: Final = NoOpProvider()
"""What answers for the domain of a node that has stopped: defaults."""


class SnapshotProvider(AbstractProvider):
    """OpenFeature's provider: answers from memory, for the kinds of the catalogue. Numbers are floats."""

    def __init__(self, live: LiveFlags, catalog: Catalog) -> None:
        super().__init__()
        self._snapshot = live.snapshot
        self._catalog = catalog
        live.on_change(self._say_changed)
        live.on_stale(self._say_stale)

    def get_metadata(self) -> Metadata:
        """Its name."""
        return Metadata(name="prosa")

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """A flag that is on or off."""
        return self._resolve("boolean", flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """A flag that is a string."""
        return self._resolve("string", flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """A number without its decimals; one that has some is a type mismatch."""
        found = self._resolve("number", flag_key, default_value, evaluation_context)
        whole = int(found.value)
        if whole != found.value:
            return _failed(default_value, ErrorCode.TYPE_MISMATCH, f"{flag_key} is not a whole number")
        found.value = whole
        return found

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """A number."""
        found = self._resolve("number", flag_key, default_value, evaluation_context)
        found.value = float(found.value)
        return found

    def resolve_object_details(
        self, flag_key: str, default_value: _Object, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[_Object]:
        """A JSON object or a list."""
        return self._resolve("object", flag_key, default_value, evaluation_context)

    def _resolve(
        self, kind: FlagKind, key: str, default: Value, context: EvaluationContext | None
    ) -> FlagResolutionDetails[Value]:
        known = self._catalog.get(key)
        if known is None:
            return _failed(default, ErrorCode.FLAG_NOT_FOUND, f"there is no flag {key!r}")
        if known.kind != kind:
            return _failed(default, ErrorCode.TYPE_MISMATCH, f"{key} is of kind {known.kind}")
        found = self._snapshot.evaluate(key, _context(context))
        if found is None:
            return FlagResolutionDetails(value=default, reason=Reason.DEFAULT)
        return FlagResolutionDetails(
            value=found.value,
            reason=Reason(found.reason),
            variant=found.variant,
            flag_metadata={"version": found.version},
        )

    def _say_changed(self, keys: frozenset[str]) -> None:
        self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=sorted(keys)))

    def _say_stale(self, is_stale: bool) -> None:
        if is_stale:
            self.emit_provider_stale(ProviderEventDetails(message="Redis is away; the flags are as they were"))
        else:
            self.emit_provider_ready(ProviderEventDetails())


class OpenFeatureFlags:
    """`core.ports.Flags` by an OpenFeature client. A key that is not in the catalogue raises UserError `not_found`.

    An evaluation takes about 12 us, most of it the client's; of a flag that nobody has set, for that tenant or for all,
    there is nothing to evaluate, so OpenFeature is not asked and its hooks are not called: 0.3 us
    (`tests/memory/measure_flags.py`). A turn asks for half a dozen flags, most of which nobody has set.
    """

    def __init__(self, client: OpenFeatureClient, catalog: Catalog, snapshot: FlagSnapshot) -> None:
        self._client = client
        self._catalog = catalog
        self._snapshot = snapshot

    def boolean(self, key: str, context: FlagContext, default: bool | None = None) -> bool:
        """A flag that is on or off."""
        wanted: bool = self._or_known(key, default)
        return self._client.get_boolean_value(key, wanted, _asked(context)) if self._is_set(key, context) else wanted

    def text(self, key: str, context: FlagContext, default: str | None = None) -> str:
        """A flag that is a string."""
        wanted: str = self._or_known(key, default)
        return self._client.get_string_value(key, wanted, _asked(context)) if self._is_set(key, context) else wanted

    def number(self, key: str, context: FlagContext, default: float | None = None) -> float:
        """A flag that is a number."""
        wanted = float(self._or_known(key, default))
        return self._client.get_float_value(key, wanted, _asked(context)) if self._is_set(key, context) else wanted

    def object(self, key: str, context: FlagContext, default: Any = None) -> Any:
        """A flag that is a JSON object or a list."""
        wanted = self._or_known(key, default)
        if not self._is_set(key, context):
            return wanted
        found = self._client.get_object_value(key, _NOTHING if wanted is None else wanted, _asked(context))
        return None if found is _NOTHING else found

    def details(self, key: str, context: FlagContext) -> Evaluation:
        """The value and how it came about; one of the wrong kind, or of no flag at all, is the default."""
        known = known_flag(self._catalog, key)
        ask: dict[FlagKind, Any] = {
            "boolean": self._client.get_boolean_details,
            "string": self._client.get_string_details,
            "number": self._client.get_float_details,
            "object": self._client.get_object_details,
        }
        default = _NOTHING if known.default is None else known.default
        if known.kind == "number":
            default = float(known.default)
        found: FlagEvaluationDetails[Any] = ask[known.kind](key, default, _asked(context))
        reason = found.reason if found.error_code is None else "DEFAULT"
        version = found.flag_metadata.get("version", 0)
        said = cast(Literal["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT"], str(reason))
        value = None if found.value is _NOTHING else found.value
        return Evaluation(value=value, reason=said, variant=found.variant, version=int(version))

    def _is_set(self, key: str, context: FlagContext) -> bool:
        return self._snapshot.is_set(key, context.get("tenant", ALL_TENANTS))

    def _or_known(self, key: str, default: Any) -> Any:
        return known_flag(self._catalog, key).default if default is None else default


@contextmanager
def open_feature_flags(live: LiveFlags, catalog: Catalog, domain: str) -> Iterator[OpenFeatureFlags]:
    """Register a provider for `domain` (a node's id) while the block lasts; give the flags by a client of it."""
    api.set_provider_and_wait(SnapshotProvider(live, catalog), domain)
    try:
        yield OpenFeatureFlags(api.get_client(domain), catalog, live.snapshot)
    finally:
        api.set_provider_and_wait(_GONE, domain)


def _asked(context: FlagContext) -> EvaluationContext:
    return EvaluationContext(targeting_key=context.get("user_id"), attributes=context)


def _context(context: EvaluationContext | None) -> FlagContext:
    """Our context of OpenFeature's: words only; the targeting key is the user, where no other is named."""
    if context is None:
        return {"tenant": ALL_TENANTS}
    words = {name: value for name, value in context.attributes.items() if isinstance(value, str)}
    if context.targeting_key is not None:
        words.setdefault("user_id", context.targeting_key)
    return words


def _failed(default: Value, code: ErrorCode, why: str) -> FlagResolutionDetails[Value]:
    return FlagResolutionDetails(value=default, error_code=code, error_message=why, reason=Reason.ERROR)
