"""The client of asyncio. client.py describes the arguments."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import httpx

from . import tasks
from .consumer import ConsumerOptions, ConsumerReader
from .consumers import AsyncConsumers, ConsumerRequests
from .credentials import Credentials, Source
from .cursors import CursorStore, MemoryCursor
from .effects import Program
from .events import Notice, Reset
from .feed import Delivery, FeedOptions, FeedReader
from .feed_query import feed_query
from .feeds import AsyncFeed
from .following import AckTask, AsyncConsumer
from .items import AsyncItems, ItemRequests
from .job_handle import AsyncJobHandle
from .jobs import AsyncJobs, JobRequests
from .publishing import NewEvent, Receipt, publish
from .requests import EARLY_S, GIVE_UP_S, Requests
from .state import State, StreamOptions
from .transport import LIMITS_OF_STREAMS, options_of

T = TypeVar("T")


class AsyncClient:
    """Client for asyncio: the same arguments, methods and errors. Functions, callbacks and stores may be async."""

    def __init__(
        self,
        url: str,
        *,
        token: Source | None = None,
        ticket: Source | None = None,
        give_up_s: float = GIVE_UP_S,
        http: Mapping[str, Any] | None = None,
    ) -> None:
        given = options_of(http)
        self._http = httpx.AsyncClient(**given)
        self._streams = httpx.AsyncClient(**{**given, "limits": LIMITS_OF_STREAMS})
        self._requests = Requests(url, Credentials(token, ticket), give_up_s)
        self.items = AsyncItems(ItemRequests(self._requests), self._run)
        self.jobs = AsyncJobs(JobRequests(self._requests), self._run)
        self.consumers = AsyncConsumers(ConsumerRequests(self._requests), self._run)

    def feed(
        self,
        *,
        stream: str | None = None,
        types: Sequence[str] | None = None,
        where: str | None = None,
        start: str | datetime | None = None,
        last: int | None = None,
        envelope: bool = False,
        cursor: CursorStore | None = None,
        delivery: Delivery = "at-least-once",
        reload: Callable[[Reset], str | None | Awaitable[str | None]] | None = None,
        on_state: Callable[[State], Any] | None = None,
        on_notice: Callable[[Notice], Any] | None = None,
        renew_early_s: float = EARLY_S,
        confirm_s: float = 10.0,
        options: StreamOptions = StreamOptions(),
    ) -> AsyncFeed:
        """Follows a stream; the arguments are those of Client.feed."""
        query = feed_query(stream=stream, types=types, where=where, start=start, last=last, envelope=envelope)
        given = FeedOptions(cursor or MemoryCursor(), delivery, reload, on_notice, renew_early_s, confirm_s)
        return AsyncFeed(self._streams, FeedReader(self._requests, "/api/events", query, given), options, on_state)

    def consumer(
        self,
        name: str,
        *,
        ack_every: int = 100,
        ack_after_s: float = 1.0,
        close_within_s: float = 5.0,
        takeover: bool = False,
        standby: bool = False,
        envelope: bool = False,
        reload: Callable[[Reset], Any] | None = None,
        on_state: Callable[[State], Any] | None = None,
        on_notice: Callable[[Notice], Any] | None = None,
        renew_early_s: float = EARLY_S,
        confirm_s: float = 10.0,
        options: StreamOptions = StreamOptions(),
    ) -> AsyncConsumer:
        """Follows a consumer; the arguments are those of Client.consumer."""
        given = ConsumerOptions(ack_every, ack_after_s, close_within_s, takeover, standby, envelope)
        feed = FeedOptions(MemoryCursor(), "at-least-once", reload, on_notice, renew_early_s, confirm_s)
        background = lambda: AckTask(self._http)  # noqa: E731
        reader = ConsumerReader(self._requests, name, given, feed, options, on_state, background)
        return AsyncConsumer(self._streams, reader, options)

    async def publish(
        self,
        type: str,
        data: Mapping[str, Any],
        *,
        stream: str | None = None,
        idempotency_key: str | None = None,
        expected_head: str | None = None,
    ) -> Receipt:
        """Stores an event. The request is repeated until the gateway answers, and stored once.

        idempotency_key: your own, to repeat the call itself, even in another process; default: a UUID.
        expected_head: stores it only after this event, otherwise Refused 409 `head-differs`.
        """
        receipts = await self.publish_all(
            [NewEvent(type, data)], stream=stream, idempotency_key=idempotency_key, expected_head=expected_head
        )
        return receipts[0]

    async def publish_all(
        self,
        events: Sequence[NewEvent],
        *,
        stream: str | None = None,
        idempotency_key: str | None = None,
        expected_head: str | None = None,
    ) -> list[Receipt]:
        """Stores up to 1,000 events as a whole, or none."""
        return await self._run(
            publish(
                self._requests,
                events,
                stream=stream,
                idempotency_key=idempotency_key,
                expected_head=expected_head,
            )
        )

    def job(self, job_id: str) -> AsyncJobHandle:
        """A job by its id. Nothing is requested yet."""
        return AsyncJobHandle(job_id, self._requests, self._http, self._streams)

    async def ticket(self, path: str = "/api/events") -> str:
        """A ticket for a program without credentials: valid for 30 s and one connection to this path."""
        return await self._run(self._requests.ticket(path))

    async def aclose(self) -> None:
        """Closes the connections. Close the feeds first."""
        await self._http.aclose()
        await self._streams.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _run(self, program: Program[T], /) -> T:
        return await tasks.run(self._http, program)
