"""The headers that a redirect keeps: credentials stay within the origin that they are for."""

from collections.abc import Mapping
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_SECRET = frozenset({"authorization", "x-api-key", "cookie", "proxy-authorization"})


def same_origin(one: str, other: str) -> bool:
    """Whether two absolute URLs have the same scheme, host and port."""
    return _origin(one) == _origin(other)


def without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that any origin may see."""
    return {name: value for name, value in headers.items() if name.lower() not in _SECRET}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
