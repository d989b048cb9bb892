"""What a redirect keeps of a request: credentials stay within the origin that they are for."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from .effects import Request

_PORTS = {"http": 80, "https": 443}
_SECRET = frozenset({"authorization", "x-api-key", "cookie", "proxy-authorization"})


def redirected(request: Request, status: int, url: str, first: str) -> Request:
    """The request to the URL that a redirect leads to. `first` is the URL that the credentials are for."""
    headers = request.headers if same_origin(url, first) else without_credentials(request.headers)
    changes = request.method == "POST" if status in (301, 302) else status == 303 and request.method != "HEAD"
    if not changes:
        return Request(request.method, url, headers, request.body)
    kept = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    return Request("GET", url, kept)


def same_origin(one: str, other: str) -> bool:
    """Whether two absolute URLs have the same scheme, host and port."""
    return _origin(one) == _origin(other)


def without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that any origin may see."""
    return {name: value for name, value in headers.items() if name.lower() not in _SECRET}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
