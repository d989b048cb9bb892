"""Single requests: credentials, refusals and safe repetition; the logic, without IO."""

import json
import time
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

from .backoff import Backoff, retry_after
from .credentials import Credentials
from .effects import Failed, Program, Request, Response, Send, Wait, perform
from .errors import GaveUp, NotRefreshed, Overloaded, ProtocolError, Refused, SluiceError, Unreachable

T = TypeVar("T")
EARLY_S = 60.0
"""How long before their end the client gets new credentials."""
GIVE_UP_S = 60.0
"""How long a request is repeated by default."""


class Requests:
    """Sends the requests of one client.

    base: the URL of the gateway, with its prefix if it has one.
    give_up_s: a request that may be repeated is repeated this long.
    :raises ValueError: `base` is no URL of a gateway.
    """

    def __init__(self, base: str, credentials: Credentials, give_up_s: float = GIVE_UP_S) -> None:
        self.base = _checked(base).rstrip("/")
        self.credentials = credentials
        self._give_up_s = give_up_s

    def url(self, path: str, query: Mapping[str, object] | None = None) -> str:
        """Members of the query that are None are left out."""
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        return f"{self.base}{path}" + (f"?{urlencode(given)}" if given else "")

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        document: object = None,
        repeat: bool,
    ) -> Program[Response]:
        """The response of a request that succeeded (2xx or 304).

        document: the body, as JSON; None for none.
        repeat: whether the request may be sent again when its outcome is unknown.
        :raises Refused: any other status, but for those of Overloaded.
        :raises GaveUp: it was repeated for `give_up_s`.
        :raises Unreachable, Overloaded: it failed and may not be repeated.
        """
        if self.credentials.is_ticket:
            raise ValueError("A ticket opens streams only. Give the client a token for other requests.")
        body = None if document is None else json.dumps(document, ensure_ascii=False).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        backoff = Backoff(retry_s=0.25)
        began, asked = time.monotonic(), False
        while True:
            failure: SluiceError
            reply: Response | Failed | None = None
            at_least_s = 0.0
            try:
                yield from self.credentials.before_request(EARLY_S)
            except NotRefreshed as error:
                failure = error
            else:
                used = self.credentials.value
                every = {"Accept": "application/json", **kind, **(headers or {}), **self.credentials.header()}
                reply = yield from perform(Send(Request(method, self.url(path, query), every, body)))
            if reply is None:
                pass  # Nothing was sent, so any request may try again.
            elif isinstance(reply, Failed):
                failure = Unreachable(f"{method} {self.base}{path}: {reply.error}")
                failure.__cause__ = reply.error
            elif 200 <= reply.status < 300 or reply.status == 304:
                return reply
            elif reply.status in (408, 425, 429) or reply.status >= 500:
                at_least_s = retry_after(reply.headers)
                failure = Overloaded.from_body(reply.status, reply.body, at_least_s)
            elif reply.status == 401 and self.credentials.can_refresh and not asked:
                asked = True
                # Another thread may have got new ones meanwhile.
                if self.credentials.value == used:
                    yield from self.credentials.refresh()
                continue
            else:
                raise Refused.from_body(reply.status, reply.body)
            if reply is not None and not repeat:
                raise failure
            delay = backoff.next(at_least_s)
            if time.monotonic() - began + delay > self._give_up_s:
                raise GaveUp(f"Gave up after {self._give_up_s:g} s: {failure}") from failure
            yield from perform(Wait(delay))

    def ticket(self, path: str) -> Program[str]:
        """A ticket for a stream (docs/protocol.md, "Tickets")."""
        response = yield from self.send("POST", "/api/stream-tickets", document={"path": path}, repeat=True)
        return str(document_of(response)["ticket"])


def _checked(base: str) -> str:
    try:
        parts = urlsplit(base)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f"{base!r} is no URL of a gateway. Pass one such as http://127.0.0.1:8080.")
    return base


def document_of(response: Response) -> Mapping[str, Any]:
    """The JSON object of a response.

    :raises ProtocolError: it is something else.
    """
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"Expected JSON, got {response.body[:200]!r}.") from error
    if not isinstance(document, dict):
        raise ProtocolError(f"Expected a JSON object, got {response.body[:200]!r}.")
    return document


class Run(Protocol):
    """Runs a program to its result, with blocking calls."""

    def __call__(self, program: Program[T], /) -> T: ...


class AsyncRun(Protocol):
    """Runs a program to its result, with asyncio."""

    async def __call__(self, program: Program[T], /) -> T: ...
