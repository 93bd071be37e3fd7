"""Who is asking: service keys, the development default, and the Origins that may connect."""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.parse import urlsplit

from core.errors import UserError
from core.turns import Principal
from server.settings import Settings, is_loopback

DEVELOPMENT_TENANT: Final = "default"


class Authenticator:
    """Knows the service keys (as SHA-256 hashes) and says who a credential is."""

    def __init__(self, settings: Settings) -> None:
        self._is_development = settings.is_development
        self._origins = {origin.rstrip("/").lower() for origin in settings.allowed_origins}
        self._principals = {
            key_hash(secret.get_secret_value()): Principal(
                tenant=tenant, name=f"key:{key_hash(secret.get_secret_value())[:12]}"
            )
            for tenant, secret in settings.bootstrap_api_keys
        }

    @property
    def tenants(self) -> tuple[str, ...]:
        """Every tenant that has a key, or the development default."""
        if self._is_development:
            return (DEVELOPMENT_TENANT,)
        return tuple(dict.fromkeys(principal.tenant for principal in self._principals.values()))

    def by_key(self, key: str) -> Principal:
        """The principal of a service key. Raises UserError `unauthorized`."""
        principal = self._principals.get(key_hash(key))
        if principal is None:
            raise UserError("This API key is not known. Check it, or ask the operator for one.", code="unauthorized")
        return principal

    def by_header(self, authorization: str | None) -> Principal | None:
        """The principal of an `Authorization` header; None where there is none and one is needed.

        Raises UserError `unauthorized` for a header that is there and wrong.
        """
        if authorization:
            scheme, _, key = authorization.partition(" ")
            if scheme.lower() != "bearer" or not key.strip():
                raise UserError("Send `Authorization: Bearer <API key>`.", code="unauthorized")
            if self._is_development:
                return DEVELOPER
            return self.by_key(key.strip())
        return DEVELOPER if self._is_development else None

    def require(self, authorization: str | None) -> Principal:
        """As `by_header`, but nobody is not enough. Raises UserError `unauthorized`."""
        principal = self.by_header(authorization)
        if principal is None:
            raise UserError("Send an API key: `Authorization: Bearer <API key>`.", code="unauthorized")
        return principal

    def allows_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a browser page of that Origin may connect. No Origin: not a browser.

        In development only loopback Origins; else the server's own host and ALLOWED_ORIGINS.
        """
        if origin is None:
            return True
        if origin.lower() in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:  # such as an IPv6 address without its bracket
            return False
        if self._is_development:
            return is_loopback(parts.hostname or "")
        return host is not None and parts.netloc.lower() == host.lower()


DEVELOPER: Final = Principal(tenant=DEVELOPMENT_TENANT, name="development")


def key_hash(key: str) -> str:
    """SHA-256 of a key in hex. Keys are long and random, so no slow hash is needed."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
