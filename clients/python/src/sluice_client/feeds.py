"""The feeds of both clients: iteration over events that another thread or task can end."""

from collections.abc import Callable
from typing import Any

from . import tasks
from .events import Event
from .iteration import AsyncIteration, Iteration
from .state import State


class Feed(Iteration[Event]):
    """The events of a stream: `for event in feed`, or `feed.run(handler)`.

    An event counts as handled when the loop asks for the next one; after `break` it comes again at the next start. A feed
    that was left by `break` stays open until `close`, or until nothing holds it.
    Iteration ends after a 204, after `close`, or with an error: Refused, ProtocolError, or EventsMissing. Callbacks
    and stores are called in the thread that iterates.
    """

    @property
    def state(self) -> State:
        """What the feed does now."""
        return self._stream.state

    def run(self, handler: Callable[[Event], object]) -> None:
        """Calls the handler with each event until the end. An error of the handler ends the feed: its event counts as not handled."""
        try:
            for event in self:
                handler(event)
        finally:
            self._runner.end()


class AsyncFeed(AsyncIteration[Event]):
    """The same for asyncio: `async for event in feed`. Callbacks and stores may be async.

    Cancelling the task that iterates closes the connection. After `break`, close the feed: `async with client.feed()`.
    """

    @property
    def state(self) -> State:
        """What the feed does now."""
        return self._stream.state

    async def run(self, handler: Callable[[Event], Any]) -> None:
        """Calls the handler, which may be async, with each event until the end. An error of the handler ends the feed, as above."""
        async with self:
            async for event in self:
                await tasks.called(handler, event)

    def __del__(self) -> None:
        if hasattr(self, "_runner"):
            self._runner.abandon()
