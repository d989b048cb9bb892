"""Iteration over a stream, blocking and with asyncio, that another thread or task can end."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import httpx

from . import tasks, threads
from .state import State, StreamOptions
from .stream import Reader, Stream

T = TypeVar("T")
Blocking = TypeVar("Blocking", bound="Iteration[Any]")
Async = TypeVar("Async", bound="AsyncIteration[Any]")


class Iteration(Generic[T]):
    """The events of the reader, one after the other."""

    def __init__(
        self,
        http: httpx.Client,
        reader: Reader,
        options: StreamOptions,
        on_state: Callable[[State], Any] | None = None,
    ) -> None:
        self._stream = Stream(reader, options, on_state)
        self._runner = threads.StreamRunner(http, self._stream.run())

    def __iter__(self: Blocking) -> Blocking:
        return self

    def __next__(self) -> T:
        item: T = self._runner.next()
        return item

    def restart(self) -> None:
        """Drops the connection, or the wait for it, and connects at once: for a program that knows of a new network."""
        self._stream.restarting = True
        self._runner.interrupt.nudge()

    def close(self) -> None:
        """Ends the iteration at once, from any thread. Twice is fine."""
        self._stream.closing = True
        self._runner.close()

    def __enter__(self: Blocking) -> Blocking:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_runner"):
            self.close()


class AsyncIteration(Generic[T]):
    """The events of the reader, one after the other, for asyncio."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        reader: Reader,
        options: StreamOptions,
        on_state: Callable[[State], Any] | None = None,
    ) -> None:
        self._stream = Stream(reader, options, on_state)
        self._runner = tasks.StreamRunner(http, self._stream.run())

    def __aiter__(self: Async) -> Async:
        return self

    async def __anext__(self) -> T:
        item: T = await self._runner.next()
        return item

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

    async def __aenter__(self: Async) -> Async:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
