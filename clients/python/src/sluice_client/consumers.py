"""The consumers of a workspace (docs/consumers.md). consumer.py follows one."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, TypedDict, cast

from .consumer import consumer_path
from .effects import Program
from .requests import AsyncRun, Requests, Run, document_of


class Lag(TypedDict):
    """How far a consumer is behind its stream."""

    events: int
    seconds: float


class Holder(TypedDict):
    """The client that gets the events of a consumer now. Times are RFC 3339."""

    principal: str | None
    since: str
    epoch: int
    expires_at: str


class ConsumerDocument(TypedDict):
    """A consumer as the gateway stores it. `cursor` is the event id up to which everything is acknowledged."""

    name: str
    stream: str
    types: str | None
    where: str | None
    description: str | None
    ack_timeout_ms: int
    max_in_flight: int
    cursor: str
    lag: Lag
    in_flight: int
    last_ack_at: str | None
    lagging: bool
    holder: Holder | None
    created_at: str
    created_by: str


class Acknowledged(TypedDict):
    """The response to an acknowledgement."""

    cursor: str
    lag: Lag


class ConsumerRequests:
    """The requests, without IO. All but the deletion may be repeated: they set what is set already."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def one(self, method: str, path: str, document: Mapping[str, object] | None = None) -> Program[ConsumerDocument]:
        given = None if document is None else {name: value for name, value in document.items() if value is not None}
        response = yield from self._requests.send(method, path, document=given, repeat=True)
        return cast(ConsumerDocument, document_of(response))

    def page(self, cursor: str | None) -> Program[Mapping[str, Any]]:
        response = yield from self._requests.send("GET", "/api/consumers", query={"cursor": cursor}, repeat=True)
        return document_of(response)

    def acknowledge(self, name: str, event_id: str, epoch: int | None) -> Program[Acknowledged]:
        given = {"id": event_id} if epoch is None else {"id": event_id, "epoch": epoch}
        response = yield from self._requests.send("POST", f"{consumer_path(name)}/ack", document=given, repeat=True)
        return cast(Acknowledged, document_of(response))

    def delete(self, name: str) -> Program[None]:
        yield from self._requests.send("DELETE", consumer_path(name), repeat=False)


class Consumers:
    """`client.consumers`. `client.consumer` follows one."""

    def __init__(self, requests: ConsumerRequests, run: Run) -> None:
        self._requests = requests
        self._run = run

    def put(
        self,
        name: str,
        *,
        stream: str | None = None,
        types: Sequence[str] | None = None,
        where: str | None = None,
        start: str | None = None,
        ack_timeout_ms: int | None = None,
        max_in_flight: int | None = None,
        description: str | None = None,
    ) -> ConsumerDocument:
        """Creates a consumer, or gives an existing one these settings. The gateway has a default for each None.

        start: where a new one starts: "now" (default), "beginning", an event id, or a time (RFC 3339).
        ack_timeout_ms: after this time without progress the gateway hands out again what is not acknowledged.
        max_in_flight: how many events may be handed out and not acknowledged.
        """
        settings = _settings(stream, types, where, start, ack_timeout_ms, max_in_flight, description)
        return self._run(self._requests.one("PUT", consumer_path(name), settings))

    def all(self) -> Iterator[ConsumerDocument]:
        """Every consumer, page by page."""
        cursor: str | None = None
        while True:
            page = self._run(self._requests.page(cursor))
            yield from page["consumers"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def get(self, name: str) -> ConsumerDocument:
        """:raises Refused: 404, if there is none."""
        return self._run(self._requests.one("GET", consumer_path(name)))

    def seek(self, name: str, to: str) -> ConsumerDocument:
        """Moves the cursor to "now", "beginning", an event id or a time (RFC 3339). A client that follows it continues there."""
        return self._run(self._requests.one("POST", f"{consumer_path(name)}/seek", {"to": to}))

    def acknowledge(self, name: str, event_id: str, *, epoch: int | None = None) -> Acknowledged:
        """Acknowledges all events up to this one, which a followed consumer does by itself."""
        return self._run(self._requests.acknowledge(name, event_id, epoch))

    def delete(self, name: str) -> None:
        """:raises Refused: 404, if there is none."""
        self._run(self._requests.delete(name))


class AsyncConsumers:
    """The same for asyncio."""

    def __init__(self, requests: ConsumerRequests, run: AsyncRun) -> None:
        self._requests = requests
        self._run = run

    async def put(
        self,
        name: str,
        *,
        stream: str | None = None,
        types: Sequence[str] | None = None,
        where: str | None = None,
        start: str | None = None,
        ack_timeout_ms: int | None = None,
        max_in_flight: int | None = None,
        description: str | None = None,
    ) -> ConsumerDocument:
        """Creates a consumer, or gives an existing one these settings. Consumers.put describes them."""
        settings = _settings(stream, types, where, start, ack_timeout_ms, max_in_flight, description)
        return await self._run(self._requests.one("PUT", consumer_path(name), settings))

    async def all(self) -> AsyncIterator[ConsumerDocument]:
        """Every consumer, page by page."""
        cursor: str | None = None
        while True:
            page = await self._run(self._requests.page(cursor))
            for consumer in page["consumers"]:
                yield consumer
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def get(self, name: str) -> ConsumerDocument:
        """:raises Refused: 404, if there is none."""
        return await self._run(self._requests.one("GET", consumer_path(name)))

    async def seek(self, name: str, to: str) -> ConsumerDocument:
        """Moves the cursor."""
        return await self._run(self._requests.one("POST", f"{consumer_path(name)}/seek", {"to": to}))

    async def acknowledge(self, name: str, event_id: str, *, epoch: int | None = None) -> Acknowledged:
        """Acknowledges all events up to this one, which a followed consumer does by itself."""
        return await self._run(self._requests.acknowledge(name, event_id, epoch))

    async def delete(self, name: str) -> None:
        """:raises Refused: 404, if there is none."""
        await self._run(self._requests.delete(name))


def _settings(
    stream: str | None,
    types: Sequence[str] | None,
    where: str | None,
    start: str | None,
    ack_timeout_ms: int | None,
    max_in_flight: int | None,
    description: str | None,
) -> dict[str, object]:
    if isinstance(types, str):
        raise ValueError('Pass types as a list, such as ["item.*"].')
    return {
        "stream": stream,
        "types": ",".join(types) if types else None,
        "where": where,
        "start": start,
        "ack_timeout_ms": ack_timeout_ms,
        "max_in_flight": max_in_flight,
        "description": description,
    }
