"""The driver of blocking code: performs the effects of the logic in the thread of the caller.

A stream is read by a thread of its own, one piece ahead, so that the caller's thread can be interrupted at any time: by
`close`, by a tick, by Ctrl-C. A thread whose stream was shut ends with its socket, and is never waited for.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from .decoding import Decoder
from .effects import (
    Call, Deliver, Effect, Ended, Failed, Open, Opened, Program, Pull, Request, Response, Send, Shut, Signal, Wait,
)  # fmt: skip
from .sockets import SocketOf
from .transport import REQUEST_S, failed, headers_of, lower, response_of, stream_timeout

T = TypeVar("T")


class Interrupt:
    """Wakes a thread that waits. `closed` is for good."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.closed = False
        self.nudged = False

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def nudge(self) -> None:
        """Ends one wait early."""
        with self.changed:
            self.nudged = True
            self.changed.notify_all()

    def wait(self, seconds: float, fact: Callable[[], bool]) -> None:
        """Returns when the fact holds, the time is over, or somebody interrupts."""
        with self.changed:
            self.changed.wait_for(lambda: fact() or self.closed or self.nudged, seconds)
            self.nudged = False


class OpenResponse:
    """A response that a thread reads, one piece ahead of the caller."""

    def __init__(self, http: httpx.Client, request: Request, connect_s: float, interrupt: Interrupt) -> None:
        self._interrupt = interrupt
        self._signal: Signal | None = None
        self._is_shut = False
        self._socket = SocketOf()
        threading.Thread(target=self._read, args=(http, request, connect_s), daemon=True, name="sluice-read").start()

    def next(self, seconds: float) -> Signal | None:
        """The next signal; None after some seconds without one, or when interrupted."""
        self._interrupt.wait(seconds, lambda: self._signal is not None)
        with self._interrupt.changed:
            signal, self._signal = self._signal, None
            self._interrupt.changed.notify_all()
        return signal

    def shut(self) -> None:
        """Ends the response. Its thread does not wait for the server."""
        with self._interrupt.changed:
            self._is_shut = True
            self._interrupt.changed.notify_all()
        self._socket.shut()

    def _read(self, http: httpx.Client, request: Request, connect_s: float) -> None:
        try:
            with http.stream(
                request.method,
                request.url,
                headers=headers_of(request),
                content=request.body,
                timeout=stream_timeout(connect_s),
                follow_redirects=False,
                extensions={"trace": self._socket.trace},
            ) as response:
                self._socket.hold(response.extensions.get("network_stream"))
                self._put(Opened(response.status_code, lower(response.headers)))
                decoder = Decoder(response.headers.get("content-encoding", ""))
                for data in response.iter_raw():
                    for piece in decoder.decode(data):
                        if not self._put(piece):
                            return
            self._put(Ended())
        except Exception as error:  # noqa: BLE001 - the caller's thread raises what is no failure of the network
            self._put(failed(error))

    def _put(self, signal: Signal) -> bool:
        with self._interrupt.changed:
            self._interrupt.changed.wait_for(lambda: self._signal is None or self._is_shut)
            if self._is_shut:
                return False
            self._signal = signal
            self._interrupt.changed.notify_all()
            return True


def run(http: httpx.Client, program: Program[T]) -> T:
    """Runs a program of single requests to its result."""
    interrupt = Interrupt()
    reply: Any = None
    error: Exception | None = None
    try:
        while True:
            effect = program.throw(error) if error else program.send(reply)
            error = None
            match effect:
                case Send(request):
                    reply = _send(http, request)
                case Call(function, arguments):
                    try:
                        reply = function(*arguments)
                    except Exception as raised:  # noqa: BLE001 - the logic decides what to make of it
                        error = raised
                case Wait(seconds):
                    interrupt.wait(seconds, lambda: False)
                case _:
                    raise TypeError(f"No single request asks for {effect}.")
    except StopIteration as end:
        result: T = end.value
        return result


def _send(http: httpx.Client, request: Request) -> Response | Failed:
    try:
        return response_of(
            http.request(
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


class StreamRunner:
    """Runs the program of a stream, from one delivered item to the next."""

    def __init__(self, http: httpx.Client, program: Program[None]) -> None:
        self.interrupt = Interrupt()
        self._http = http
        self._program = program
        self._open: OpenResponse | None = None
        self._is_over = False

    def next(self) -> Any:
        """The next item.

        :raises StopIteration: the stream has ended or was closed.
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
                    reply = self._perform(effect)
                except Exception as raised:  # noqa: BLE001 - the logic decides what to make of it
                    error = raised
                if self.interrupt.closed:
                    break
        except StopIteration:
            pass
        except BaseException:
            self.end()
            raise
        self.end()
        raise StopIteration

    def close(self) -> None:
        """From any thread: `next` ends at once, after it has saved the cursor of the item before."""
        self.interrupt.close()
        response = self._open
        if response:
            response.shut()

    def end(self) -> None:
        """Ends the stream and its connection; twice is fine."""
        self._is_over = True
        self.close()

    def _perform(self, effect: Effect[Any]) -> Any:
        match effect:
            case Open(request, connect_s):
                self._shut()
                if not self.interrupt.closed:
                    self._open = OpenResponse(self._http, request, connect_s, self.interrupt)
            case Pull(seconds):
                return self._open.next(seconds) if self._open else Ended()
            case Shut():
                self._shut()
            case Wait(seconds):
                self.interrupt.wait(seconds, lambda: False)
            case Call(function, arguments):
                return function(*arguments)
            case Send(request):
                return self._send(request)
        return None

    def _send(self, request: Request) -> Response | Failed:
        """In a thread too: `close` must not wait for a gateway that does not answer."""
        response = OpenResponse(self._http, request, 10.0, self.interrupt)
        try:
            return _whole(response, self.interrupt)
        finally:
            response.shut()

    def _shut(self) -> None:
        if self._open:
            self._open.shut()
            self._open = None


def _whole(response: OpenResponse, interrupt: Interrupt) -> Response | Failed:
    head: Opened | None = None
    body = b""
    until = time.monotonic() + 30.0
    while not interrupt.closed and (left := until - time.monotonic()) > 0:
        match response.next(left):
            case None:
                continue  # Somebody has nudged it.
            case Opened() as opened:
                head = opened
            case bytes() as piece:
                body += piece
            case Ended() if head:
                return Response(head.status, head.headers, body)
            case Failed() as failure:
                return failure
            case _:
                break
    return Failed(TimeoutError("The gateway did not answer in time."))
