"""A standard connection of Server-Sent Events to any server (WHATWG HTML, section 9.2), without what is Sluice's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from .effects import Call, Deliver, Program, Request, perform
from .errors import Refused
from .iteration import AsyncIteration, Iteration
from .parser import Block, Comment
from .state import State, StreamOptions
from .stream import Verdict
from .transport import LIMITS_OF_STREAMS


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """An event. `id` is the last event id; `type` is "message" if the stream names none; `data` is text."""

    id: str
    type: str
    data: str


class SourceReader:
    """Reads what a standard EventSource reads. `last_event_id` moves with each block, also with one without data."""

    def __init__(self, request: Request, last_event_id: str, hooks: "Hooks") -> None:
        self.last_event_id = last_event_id
        self._request = request
        self._hooks = hooks

    def request(self) -> Program[Request]:
        yield from ()
        given = {"Accept": "text/event-stream", "Cache-Control": "no-cache", **self._request.headers}
        if self.last_event_id:
            given["Last-Event-ID"] = self.last_event_id
        return Request(self._request.method, self._request.url, given, self._request.body)

    def opened(self) -> Program[None]:
        if self._hooks.on_open:
            yield from perform(Call(self._hooks.on_open))

    def block(self, block: Block | Comment) -> Program[Verdict]:
        if isinstance(block, Comment):
            if self._hooks.on_comment:
                yield from perform(Call(self._hooks.on_comment, (block.text,)))
            return Verdict.GO_ON
        # The standard sets the last event id before it dispatches; an event without an id has the one before.
        if block.id is not None:
            self.last_event_id = block.id
        if block.data is not None:
            yield from perform(Deliver(ServerSentEvent(self.last_event_id, block.event, block.data)))
        return Verdict.GO_ON

    def tick(self) -> Program[Verdict]:
        yield from ()
        return Verdict.GO_ON

    def patience_s(self) -> float:
        return float("inf")

    def refused(self, refusal: Refused) -> Program[Verdict]:
        yield from ()
        return Verdict.END


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of a source for everything but its events."""

    on_open: Callable[[], Any] | None = None
    on_comment: Callable[[str], Any] | None = None
    on_state: Callable[[State], Any] | None = None


class EventSource(Iteration[ServerSentEvent]):
    """Follows a URL: `for event in EventSource(url)`. It reconnects until 204, a final response, or `close`.

    headers, method, body: of each request. They reach another origin by a redirect only without credentials.
    last_event_id: where to start; "" for the server's default.
    options: times and limits.
    hooks: what is called in the thread that iterates.
    http: options of httpx.Client, such as verify, cert and proxy.

    Iteration raises Refused and ProtocolError. `close` and `restart` may be called from any thread.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        body: bytes | None = None,
        last_event_id: str = "",
        options: StreamOptions = StreamOptions(),
        hooks: Hooks = Hooks(),
        http: Mapping[str, Any] | None = None,
    ) -> None:
        self._http = httpx.Client(limits=LIMITS_OF_STREAMS, **(http or {}))
        self._reader = SourceReader(Request(method, url, headers or {}, body), last_event_id, hooks)
        super().__init__(self._http, self._reader, options, hooks.on_state)

    @property
    def last_event_id(self) -> str:
        return self._reader.last_event_id

    def close(self) -> None:
        """Ends the iteration at once, and the connection."""
        super().close()
        self._http.close()


class AsyncEventSource(AsyncIteration[ServerSentEvent]):
    """The same for asyncio: `async for event in AsyncEventSource(url)`. Hooks may be async."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        body: bytes | None = None,
        last_event_id: str = "",
        options: StreamOptions = StreamOptions(),
        hooks: Hooks = Hooks(),
        http: Mapping[str, Any] | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(limits=LIMITS_OF_STREAMS, **(http or {}))
        self._reader = SourceReader(Request(method, url, headers or {}, body), last_event_id, hooks)
        super().__init__(self._http, self._reader, options, hooks.on_state)

    @property
    def last_event_id(self) -> str:
        return self._reader.last_event_id

    async def aclose(self) -> None:
        """Ends the iteration and its connection."""
        await super().aclose()
        await self._http.aclose()
