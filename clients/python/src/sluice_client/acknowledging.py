"""The acknowledgements of a consumer: together, one request at a time, and never under another epoch; the logic, without IO."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .backoff import Backoff
from .effects import Program, Wait, perform
from .errors import GaveUp, NotRefreshed, Overloaded, Unreachable
from .requests import Requests


@dataclass(frozen=True, slots=True)
class Held:
    """The consumer, as the first `server.state` of a stream describes it."""

    epoch: int
    ack_timeout_ms: int
    max_in_flight: int


class Background(Protocol):
    """Runs a program beside the application: a thread, or a task."""

    def start(self, program: Program[None]) -> None:
        """The one before has ended."""

    def nudge(self) -> None:
        """Ends its wait early."""

    def stop(self) -> None:
        """Ends it, and its request."""

    def join(self, seconds: float) -> Any:
        """Waits for its end, for some seconds at most, then stops it. With asyncio: an awaitable."""


class Session:
    """The events that are handled under one epoch, up to its end or a reset. Threads may share it.

    It is idle until an event was handled; due until enough were, or the time is over; sending until the gateway has
    answered, with a pause after each failure; then idle. What is handled while it sends goes with the next request. Its
    program runs while it is not idle.

    every, after_s: how many events may wait for their acknowledgement, and how long.
    backoff: the pauses after failures.
    refused: called with what the gateway refuses for good.
    """

    def __init__(
        self,
        held: Held,
        requests: Requests,
        path: str,
        every: int,
        after_s: float,
        backoff: Backoff,
        background: Background,
        refused: Callable[["Session", Exception], None],
    ) -> None:
        self.held = held
        self.background = background
        self._requests = requests
        self._path = path
        self._every = min(every, max(1, held.max_in_flight // 2))
        self._after_s = min(after_s, held.ack_timeout_ms / 4000)
        self._backoff = backoff
        self._refused = refused
        self._lock = threading.Lock()
        self._id: str | None = None
        self._count = 0
        self._due_at = 0.0
        self._not_before = 0.0
        self._is_running = False
        self._is_over = False

    def handled(self, event_id: str) -> None:
        """The application has handled the event, and all before it."""
        with self._lock:
            if self._is_over:
                return
            now = time.monotonic()
            self._due_at = now + self._after_s if self._id is None else self._due_at
            self._id = event_id
            self._count += 1
            if self._count >= self._every:
                self._due_at = now
            self._wake()

    def flush(self) -> None:
        """Acknowledges now, unless it does already or waits after a failure."""
        with self._lock:
            if self._id is not None and not self._is_over:
                self._due_at = 0.0
                self._wake()

    def end(self) -> None:
        """Handled events are not acknowledged any more."""
        with self._lock:
            self._is_over = True
            self._id = None
            if self._is_running:
                self.background.stop()

    def _wake(self) -> None:
        if self._is_running:
            self.background.nudge()
        else:
            self._is_running = True
            self.background.start(self._program())

    def _program(self) -> Program[None]:
        while True:
            due_in_s = self._due_in_s()
            if due_in_s is None:
                return
            if due_in_s > 0:
                yield from perform(Wait(due_in_s))
                continue
            event_id = self._take()
            document = {"id": event_id, "epoch": self.held.epoch}
            try:
                yield from self._requests.send("POST", self._path, document=document, repeat=False)
                self._backoff.restart()
            except (Overloaded, Unreachable, GaveUp, NotRefreshed) as error:
                self._give_back(event_id, error)
            except Exception as error:  # noqa: BLE001 - the iteration raises it
                if not self._stops():
                    self._refused(self, error)
                return

    def _due_in_s(self) -> float | None:
        """The seconds until the next request; None if there is nothing to acknowledge, which ends the program."""
        with self._lock:
            if self._id is None:
                self._is_running = False
                return None
            return max(self._due_at, self._not_before) - time.monotonic()

    def _take(self) -> str | None:
        with self._lock:
            event_id, self._id = self._id, None
            self._count = 0
            return event_id

    def _give_back(self, event_id: str | None, error: Exception) -> None:
        # The header, which also a proxy sends.
        after_s = error.retry_after_s if isinstance(error, Overloaded) else 0.0
        with self._lock:
            self._not_before = time.monotonic() + self._backoff.next(after_s)
            if self._id is None and not self._is_over:
                self._id, self._due_at = event_id, 0.0

    def _stops(self) -> bool:
        with self._lock:
            self._is_running = False
            return self._is_over
