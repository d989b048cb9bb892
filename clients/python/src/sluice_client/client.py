"""The client of blocking code."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import httpx

from . import threads
from .consumer import ConsumerOptions, ConsumerReader
from .consumers import ConsumerRequests, Consumers
from .credentials import Credentials, Source
from .cursors import CursorStore, MemoryCursor
from .effects import Program
from .events import Notice, Reset
from .feed import Delivery, FeedOptions, FeedReader
from .feed_query import feed_query
from .feeds import Feed
from .following import AckThread, Consumer
from .items import ItemRequests, Items
from .job_handle import JobHandle
from .jobs import JobRequests, Jobs
from .publishing import NewEvent, Receipt, publish
from .requests import EARLY_S, GIVE_UP_S, Requests
from .state import State, StreamOptions
from .transport import LIMITS_OF_STREAMS, options_of

T = TypeVar("T")


class Client:
    """A gateway, seen by one caller. Threads may share it.

    url: where the gateway is, with its prefix if it has one.
    token: a JWT or an API key, or a function that returns one. The client calls the function before the first request,
      before the token expires, and once after a 401. An OSError, or an error of httpx, that it raises is retried.
    ticket: instead of a token, for programs that must not hold one: it opens streams only.
    give_up_s: how long requests that may be repeated are repeated.
    http: options of httpx.Client, such as verify, cert and proxy.

    Every request raises Refused (a final response), GaveUp, Unreachable, Overloaded or ProtocolError: all SluiceError.
    """

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
        self._http = httpx.Client(**given)
        self._streams = httpx.Client(**{**given, "limits": LIMITS_OF_STREAMS})
        self._requests = Requests(url, Credentials(token, ticket), give_up_s)
        self.items = Items(ItemRequests(self._requests), self._run)
        self.jobs = Jobs(JobRequests(self._requests), self._run)
        self.consumers = Consumers(ConsumerRequests(self._requests), self._run)

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
        reload: Callable[[Reset], str | None] | None = None,
        on_state: Callable[[State], Any] | None = None,
        on_notice: Callable[[Notice], Any] | None = None,
        renew_early_s: float = EARLY_S,
        confirm_s: float = 10.0,
        options: StreamOptions = StreamOptions(),
    ) -> Feed:
        """Follows a stream. Nothing is requested before the first iteration.

        stream: its name; default: the feed.
        types, where: filters, as in docs/protocol.md.
        start: without a cursor: "now" (default), "beginning", an event id, or a time. last: the newest n events.
        envelope: whether events have `at`, `position` and `event_id`, which costs about 150 bytes each.
        cursor: where the cursor is kept; default: in memory.
        delivery: whether the cursor is saved after an event was handled, or before.
        reload: called when events are missing, before any further event. Load your state anew and return the `head` of
          what you loaded; the feed continues there. None: after `reset.head`. Without it, EventsMissing is raised.
        on_state, on_notice: called at each change of the connection, and with each message of the gateway.
        renew_early_s: how long before the token expires the stream gets a new one; confirm_s: how long the gateway may
          take to confirm it.
        """
        query = feed_query(stream=stream, types=types, where=where, start=start, last=last, envelope=envelope)
        given = FeedOptions(cursor or MemoryCursor(), delivery, reload, on_notice, renew_early_s, confirm_s)
        return Feed(self._streams, FeedReader(self._requests, "/api/events", query, given), options, on_state)

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
    ) -> Consumer:
        """Follows a consumer that exists, from the cursor that the gateway keeps. Nothing is requested before the first iteration.

        ack_every, ack_after_s: handled events are acknowledged together: at most so many, after so many seconds; sooner if
          half of `max_in_flight` or a quarter of `ack_timeout_ms` is less.
        close_within_s: how long the end waits for the last acknowledgement; without it the events come again.
        takeover: takes the consumer from the client that holds it. Without it, the consumer waits until it is free.
        standby: when another client takes the consumer over, wait until it is free again. Without it, TakenOver is raised.
        reload: called when events after the cursor are missing, before any further event. Load your state anew; the consumer
          continues after `reset.head`. Without it, EventsMissing is raised.
        The others are as in `feed`.
        """
        given = ConsumerOptions(ack_every, ack_after_s, close_within_s, takeover, standby, envelope)
        feed = FeedOptions(MemoryCursor(), "at-least-once", reload, on_notice, renew_early_s, confirm_s)
        background = lambda: AckThread(self._streams)  # noqa: E731
        reader = ConsumerReader(self._requests, name, given, feed, options, on_state, background)
        return Consumer(self._streams, reader, options)

    def publish(
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
        receipts = self.publish_all(
            [NewEvent(type, data)], stream=stream, idempotency_key=idempotency_key, expected_head=expected_head
        )
        return receipts[0]

    def publish_all(
        self,
        events: Sequence[NewEvent],
        *,
        stream: str | None = None,
        idempotency_key: str | None = None,
        expected_head: str | None = None,
    ) -> list[Receipt]:
        """Stores up to 1,000 events as a whole, or none."""
        return self._run(
            publish(
                self._requests,
                events,
                stream=stream,
                idempotency_key=idempotency_key,
                expected_head=expected_head,
            )
        )

    def job(self, job_id: str) -> JobHandle:
        """A job by its id. Nothing is requested yet."""
        return JobHandle(job_id, self._requests, self._http, self._streams)

    def ticket(self, path: str = "/api/events") -> str:
        """A ticket for a program without credentials: valid for 30 s and one connection to this path."""
        return self._run(self._requests.ticket(path))

    def close(self) -> None:
        """Closes the connections. Close the feeds first."""
        self._http.close()
        self._streams.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, program: Program[T], /) -> T:
        return threads.run(self._http, program)
