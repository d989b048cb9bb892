"""The use of httpx by both drivers: options, failures, and the responses as the logic sees them."""

from collections.abc import Mapping
from typing import Any

import httpx

from .effects import Failed, Request, Response
from .errors import ProtocolError

LIMITS_OF_STREAMS = httpx.Limits(max_connections=None, max_keepalive_connections=0)
"""A stream ends with its connection: shutting down the socket of one that is over must not hit another request."""
REQUEST_S = httpx.Timeout(30.0, connect=10.0)
"""The time-outs of single requests. A long poll or a claim passes its own."""
_FINAL = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL, ProtocolError)


def options_of(http: Mapping[str, Any] | None) -> dict[str, Any]:
    """The application's options of httpx. Its two clients share one TLS context, which takes 20 ms to make."""
    given = dict(http or {})
    if "verify" not in given and "cert" not in given:
        given["verify"] = httpx.create_ssl_context()
    return given


def stream_timeout(connect_s: float) -> httpx.Timeout:
    """stream.py watches for silence itself; a thread or task that it has left behind ends after this."""
    return httpx.Timeout(None, connect=connect_s)


def headers_of(request: Request) -> list[tuple[bytes, bytes]]:
    """In UTF-8, since an event id may have any character. A compressed stream arrives late, so none is asked for."""
    headers = {"Accept-Encoding": "identity", **request.headers}
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def lower(headers: httpx.Headers) -> dict[str, str]:
    """The headers of a response, by names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def response_of(response: httpx.Response) -> Response:
    """A response that was read as a whole."""
    return Response(response.status_code, lower(response.headers), response.content)


def failed(error: Exception) -> Failed:
    """A failure that another try may mend, or a final one, which is raised."""
    retried = isinstance(error, (httpx.TransportError, OSError)) and not isinstance(error, _FINAL)
    return Failed(error, is_final=not retried)
