"""The driver of asyncio: performs the effects of the logic in the task of the caller.

A stream is read by a task of its own, one piece ahead. Cancelling the caller's task closes the connection.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from .decoding import Decoder
from .effects import (
    Call, Deliver, Effect, Ended, Failed, Open, Opened, Program, Pull, Request, Response, Send, Shut, Signal, Wait,
)  # fmt: skip
from .transport import REQUEST_S, failed, headers_of, lower, response_of, stream_timeout

T = TypeVar("T")
CLOSE_S = 1.0
"""A response that has not ended by then is cancelled."""


class OpenResponse:
    """A response that a task reads, one piece ahead of the caller."""

    def __init__(self, http: httpx.AsyncClient, request: Request, connect_s: float, wake: asyncio.Event) -> None:
        self._wake = wake
        self._free = asyncio.Event()
        self._free.set()
        self._signal: Signal | None = None
        self._is_shut = False
        self._network: Any = None
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(self._read(http, request, connect_s))

    def take(self) -> Signal | None:
        """The signal that has arrived."""
        signal, self._signal = self._signal, None
        self._free.set()
        return signal

    def has_signal(self) -> bool:
        return self._signal is not None

    async def shut(self) -> None:
        """Ends the response; its connection is closed when this returns.

        The task is cancelled only before the response. Later, a cancellation could hit httpcore in the middle of closing the
        connection, which would then stay open: so the socket is closed, and the task ends by itself.
        """
        self._is_shut = True
        self._free.set()
        if self._network is None:
            self._task.cancel()
        else:
            await self._network.aclose()
        await asyncio.wait([self._task], timeout=CLOSE_S)
        self._task.cancel()

    def abandon(self) -> None:
        """The same without waiting, from any thread, for a feed that nobody holds any more."""
        try:
            self._loop.call_soon_threadsafe(self._task.cancel)
        except RuntimeError:
            pass  # The loop is closed, and its connections with it.

    async def _read(self, http: httpx.AsyncClient, request: Request, connect_s: float) -> None:
        try:
            async with http.stream(
                request.method,
                request.url,
                headers=headers_of(request),
                content=request.body,
                timeout=stream_timeout(connect_s),
                follow_redirects=False,
            ) as response:
                self._network = response.extensions["network_stream"]
                await self._put(Opened(response.status_code, lower(response.headers)))
                decoder = Decoder(response.headers.get("content-encoding", ""))
                async for data in response.aiter_raw():
                    for piece in decoder.decode(data):
                        if not await self._put(piece):
                            return
            await self._put(Ended())
        except Exception as error:  # noqa: BLE001 - the caller's task raises what is no failure of the network
            await self._put(failed(error))

    async def _put(self, signal: Signal) -> bool:
        await self._free.wait()
        if self._is_shut:
            return False
        self._free.clear()
        self._signal = signal
        self._wake.set()
        return True


async def run(http: httpx.AsyncClient, program: Program[T]) -> T:
    """Runs a program of single requests to its result."""
    reply: Any = None
    error: Exception | None = None
    try:
        while True:
            effect = program.throw(error) if error else program.send(reply)
            error = None
            match effect:
                case Send(request):
                    reply = await _send(http, request)
                case Call(function, arguments):
                    try:
                        reply = await called(function, *arguments)
                    except Exception as raised:  # noqa: BLE001 - the logic decides what to make of it
                        error = raised
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                    reply = None
                case _:
                    raise TypeError(f"No single request asks for {effect}.")
    except StopIteration as end:
        result: T = end.value
        return result


async def _send(http: httpx.AsyncClient, request: Request) -> Response | Failed:
    try:
        return response_of(
            await http.request(
                request.method,
                request.url,
                headers=headers_of(request),
                content=request.body,
                timeout=REQUEST_S,
            )
        )
    except (httpx.TransportError, OSError) as error:
        failure = failed(error)
        if failure.is_final:
            raise
        return failure


async def called(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function that may be async."""
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


class StreamRunner:
    """Runs the program of a stream, from one delivered item to the next."""

    def __init__(self, http: httpx.AsyncClient, program: Program[None]) -> None:
        self._http = http
        self._program = program
        self._open: OpenResponse | None = None
        self._wake = asyncio.Event()
        self._is_closed = False
        self._is_over = False

    async def next(self) -> Any:
        """The next item.

        :raises StopAsyncIteration: the stream has ended or was closed.
        """
        reply: Any = None
        error: Exception | None = None
        try:
            while not self._is_over:
                effect = self._program.throw(error) if error else self._program.send(reply)
                if isinstance(effect, Deliver):
                    return effect.item
                error = None
                try:
                    reply = await self._perform(effect)
                except Exception as raised:  # noqa: BLE001 - the logic decides what to make of it
                    error = raised
                if self._is_closed:
                    break
        except StopIteration:
            pass
        except BaseException:
            await self.end()
            raise
        await self.end()
        raise StopAsyncIteration

    def close(self) -> None:
        """`next` ends at once, after it has saved the cursor of the item before. Not from another thread."""
        self._is_closed = True
        self._wake.set()

    def nudge(self) -> None:
        """Ends one wait early."""
        self._wake.set()

    def abandon(self) -> None:
        """Lets go of the connection."""
        if self._open:
            self._open.abandon()

    async def end(self) -> None:
        """Ends the stream; its connection is closed when this returns. Twice is fine."""
        self._is_over = True
        self.close()
        await self._shut()

    async def _perform(self, effect: Effect[Any]) -> Any:
        match effect:
            case Open(request, connect_s):
                await self._shut()
                self._open = OpenResponse(self._http, request, connect_s, self._wake)
            case Pull(seconds) if self._open:
                await self._wait(seconds, self._open.has_signal)
                return self._open.take()
            case Pull():
                return Ended()
            case Shut():
                await self._shut()
            case Wait(seconds):
                await self._wait(seconds, lambda: False)
            case Call(function, arguments):
                return await called(function, *arguments)
            case Send(request):
                return await self._unless_closed(_send(self._http, request))
        return None

    async def _wait(self, seconds: float, fact: Callable[[], bool]) -> None:
        if fact() or self._is_closed:
            return
        self._wake.clear()
        # Not asyncio.wait_for, which until Python 3.12 loses a cancellation that comes together with the event.
        timer = asyncio.get_running_loop().call_later(seconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    async def _unless_closed(self, sending: Any) -> Response | Failed:
        task: asyncio.Task[Response | Failed] = asyncio.ensure_future(sending)
        try:
            while not task.done() and not self._is_closed:
                await asyncio.wait([task], timeout=0.2)
            return task.result() if task.done() else Failed(ConnectionError("The feed was closed."))
        finally:
            task.cancel()

    async def _shut(self) -> None:
        response, self._open = self._open, None
        if response:
            await response.shut()
