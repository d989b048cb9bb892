"""The consumers of both clients: iteration over events, with acknowledgements beside it."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx

from . import tasks, threads
from .consumer import ConsumerReader
from .effects import Program
from .errors import HandlerFailed
from .events import Event
from .iteration import AsyncIteration, Iteration
from .state import State, StreamOptions


class AckThread:
    """Runs the acknowledgements of a consumer in a thread, which lives only while there is something to acknowledge."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._runner: threads.StreamRunner | None = None
        self._thread: threading.Thread | None = None

    def start(self, program: Program[None]) -> None:
        self._runner = threads.StreamRunner(self._http, program)
        self._thread = threading.Thread(target=self._run, args=(self._runner,), daemon=True, name="sluice-ack")
        self._thread.start()

    def nudge(self) -> None:
        if self._runner:
            self._runner.interrupt.nudge()

    def stop(self) -> None:
        if self._runner:
            self._runner.close()

    def join(self, seconds: float) -> None:
        # A refused acknowledgement ends the iteration, which may be in this thread's hands.
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(seconds)
            self.stop()

    @staticmethod
    def _run(runner: threads.StreamRunner) -> None:
        try:
            runner.next()
        except StopIteration:
            pass


class AckTask:
    """The same in a task."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._runner: tasks.StreamRunner | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, program: Program[None]) -> None:
        self._runner = tasks.StreamRunner(self._http, program)
        self._task = asyncio.ensure_future(self._run(self._runner))

    def nudge(self) -> None:
        if self._runner:
            self._runner.nudge()

    def stop(self) -> None:
        if self._runner:
            self._runner.close()

    async def join(self, seconds: float) -> None:
        if self._task:
            await asyncio.wait([self._task], timeout=seconds)
            self.stop()

    @staticmethod
    async def _run(runner: tasks.StreamRunner) -> None:
        try:
            await runner.next()
        except StopAsyncIteration:
            pass


class Consumer(Iteration[Event]):
    """The events of a consumer: `for event in consumer`, or `consumer.run(handler)`.

    An event counts as handled when the loop asks for the next one. Handled events are acknowledged together, by a thread
    that runs only then; the others come again, such as the one of a `break`. Iteration ends after `close`, or with an
    error: TakenOver, Refused, ProtocolError, or EventsMissing. It ends when what was handled is acknowledged.
    """

    def __init__(self, http: httpx.Client, reader: ConsumerReader, options: StreamOptions) -> None:
        super().__init__(http, reader, options, reader.state)
        self._reader = reader
        reader.restart = self.restart

    def __next__(self) -> Event:
        try:
            return super().__next__()
        except BaseException:
            self._finish()
            raise

    @property
    def state(self) -> State:
        """What the consumer does now."""
        return self._stream.state

    def run(self, handler: Callable[[Event], object]) -> None:
        """Calls the handler with each event until the end.

        :raises HandlerFailed: the handler raised an error.
        """
        with self:
            try:
                for event in self:
                    try:
                        handler(event)
                    except Exception as error:
                        raise HandlerFailed(event) from error
            finally:
                # Nothing may ask for the next event: this one would count as handled.
                self._runner.end()

    def close(self) -> None:
        """Ends the iteration, from any thread, and acknowledges what was handled. Twice is fine."""
        super().close()
        self._finish()

    def __del__(self) -> None:
        if hasattr(self, "_runner"):
            super().close()

    def _finish(self) -> None:
        session = self._reader.session
        if session:
            session.flush()
            session.background.join(self._reader.options.close_within_s)


class AsyncConsumer(AsyncIteration[Event]):
    """The same for asyncio: `async for event in consumer`. Callbacks may be async, and a task acknowledges.

    Cancelling the task that iterates ends the consumer as `aclose` does. After `break`, close it: `async with`.
    """

    def __init__(self, http: httpx.AsyncClient, reader: ConsumerReader, options: StreamOptions) -> None:
        super().__init__(http, reader, options, reader.state)
        self._reader = reader
        reader.restart = self.restart

    async def __anext__(self) -> Event:
        try:
            return await super().__anext__()
        except BaseException:
            await self._finish()
            raise

    @property
    def state(self) -> State:
        """What the consumer does now."""
        return self._stream.state

    async def run(self, handler: Callable[[Event], Any]) -> None:
        """Calls the handler, which may be async, with each event until the end.

        :raises HandlerFailed: the handler raised an error.
        """
        async with self:
            async for event in self:
                try:
                    await tasks.called(handler, event)
                except Exception as error:
                    raise HandlerFailed(event) from error

    async def aclose(self) -> None:
        """Ends the iteration, and acknowledges what was handled."""
        await super().aclose()
        await self._finish()

    def __del__(self) -> None:
        if hasattr(self, "_runner"):
            self._runner.abandon()

    async def _finish(self) -> None:
        session = self._reader.session
        if session:
            session.flush()
            await session.background.join(self._reader.options.close_within_s)
