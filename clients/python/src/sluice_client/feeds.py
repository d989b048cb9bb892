"""The feeds of both clients: iteration over events that another thread or task can end."""

from collections.abc import Callable
from typing import Any

import httpx

from . import tasks, threads
from .events import Event
from .feed import FeedReader
from .state import State, StreamOptions
from .stream import Stream


class Feed:
    """The events of a stream: `for event in feed`, or `feed.run(handler)`.

    An event counts as handled when the loop asks for the next one; after `break` it comes again at the next start. A feed
    that was left by `break` stays open until `close`, or until nothing holds it.
    Iteration ends after a 204, after `close`, or with an error: Refused, ProtocolError, or EventsMissing. Callbacks
    and stores are called in the thread that iterates.
    """

    def __init__(
        self,
        http: httpx.Client,
        reader: FeedReader,
        options: StreamOptions,
        on_state: Callable[[State], Any] | None = None,
    ) -> None:
        self._stream = Stream(reader, options, on_state)
        self._runner = threads.StreamRunner(http, self._stream.run())

    @property
    def state(self) -> State:
        """What the feed does now."""
        return self._stream.state

    def __iter__(self) -> "Feed":
        return self

    def __next__(self) -> Event:
        event: Event = self._runner.next()
        return event

    def run(self, handler: Callable[[Event], object]) -> None:
        """Calls the handler with each event until the end."""
        for event in self:
            handler(event)

    def restart(self) -> None:
        """Drops the connection, or the wait for it, and connects at once: for a program that knows of a new network."""
        self._stream.restarting = True
        self._runner.interrupt.nudge()

    def close(self) -> None:
        """Ends the iteration at once, from any thread. Twice is fine."""
        self._stream.closing = True
        self._runner.close()

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_runner"):
            self.close()


class AsyncFeed:
    """The same for asyncio: `async for event in feed`. Callbacks and stores may be async.

    Cancelling the task that iterates closes the connection. After `break`, close the feed: `async with client.feed()`.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        reader: FeedReader,
        options: StreamOptions,
        on_state: Callable[[State], Any] | None = None,
    ) -> None:
        self._stream = Stream(reader, options, on_state)
        self._runner = tasks.StreamRunner(http, self._stream.run())

    @property
    def state(self) -> State:
        """What the feed does now."""
        return self._stream.state

    def __aiter__(self) -> "AsyncFeed":
        return self

    async def __anext__(self) -> Event:
        event: Event = await self._runner.next()
        return event

    async def run(self, handler: Callable[[Event], Any]) -> None:
        """Calls the handler, which may be async, with each event until the end."""
        async for event in self:
            await tasks.called(handler, event)

    def restart(self) -> None:
        """Drops the connection, or the wait for it, and connects at once."""
        self._stream.restarting = True
        self._runner.nudge()

    def close(self) -> None:
        """Ends the iteration of another task at once; that task closes the connection."""
        self._stream.closing = True
        self._runner.close()

    async def aclose(self) -> None:
        """Ends the iteration; the connection is closed when this returns."""
        await self._runner.end()

    async def __aenter__(self) -> "AsyncFeed":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if hasattr(self, "_runner"):
            self._runner.abandon()
