"""The stream of a consumer: what its blocks mean, and which epoch the client has; the logic, without IO."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .acknowledging import Background, Held, Session
from .backoff import Backoff
from .effects import Deliver, Program, Request, perform
from .errors import Refused, TakenOver
from .events import Event, Notice
from .feed import FeedOptions, FeedReader
from .requests import Requests
from .state import State, StreamOptions
from .stream import Verdict

LOST = frozenset({"held", "taken-over", "sought", "changed", "consumer-deleted"})
"""The reasons for which a stream has ended, or has not begun, because the epoch is over."""


@dataclass(frozen=True, slots=True)
class ConsumerOptions:
    """How a consumer is followed. Client.consumer describes the members."""

    ack_every: int = 100
    ack_after_s: float = 1.0
    close_within_s: float = 5.0
    takeover: bool = False
    standby: bool = False
    envelope: bool = False


class ConsumerReader(FeedReader):
    """The reader of one consumer.

    It holds the consumer from the first `server.state` with an epoch on. A broken connection continues under that epoch.
    It loses the consumer when the stream or an acknowledgement says so: then it drops what it has received, and connects
    without an epoch.

    background: makes what runs the acknowledgements of a session.
    restart: makes the stream connect again; set by the iteration.
    """

    def __init__(
        self,
        requests: Requests,
        name: str,
        options: ConsumerOptions,
        feed: FeedOptions,
        stream: StreamOptions,
        on_state: Callable[[State], Any] | None,
        background: Callable[[], Background],
    ) -> None:
        super().__init__(requests, f"{consumer_path(name)}/events", {}, feed)
        self.session: Session | None = None
        self.restart: Callable[[], None] = lambda: None
        self.options = options
        self._ack_path = f"{consumer_path(name)}/ack"
        self._stream = stream
        self._on_state = on_state
        self._background = background
        self._has_held = False
        self._is_lost = False
        self._failure: Exception | None = None
        # The acknowledgements run beside the stream.
        self._lock = threading.RLock()

    def request(self) -> Program[Request]:
        if self._failure:
            raise self._failure
        self._query = {
            "epoch": self.session.held.epoch if self.session else None,
            "takeover": "true" if self.options.takeover and not self._has_held else None,
            "envelope": "message" if self.options.envelope else None,
        }
        return (yield from super().request())

    def refused(self, refusal: Refused) -> Program[Verdict]:
        """To a standby, a conflict is a reason to wait."""
        if refusal.status != 409:
            return (yield from super().refused(refusal))
        self._begin(None)
        if not self.options.standby:
            raise TakenOver(refusal.status, refusal.code, refusal.detail, refusal.problem)
        return Verdict.RECONNECT

    def state(self, state: State) -> Any:
        """The driver calls this at each change of the stream."""
        if state.name == "waiting" and self.session:
            # The next connection may have another epoch.
            self.session.flush()
        return self._on_state(state) if self._on_state else None

    def _deliver(self, event: Event, block_id: str | None) -> Program[None]:
        session = self.session
        began = time.monotonic()
        yield from perform(Deliver(event))
        self._confirm_by += time.monotonic() - began
        if session:
            session.handled(event.id)

    def _notice(self, notice: Notice, block_id: str | None) -> Program[Verdict]:
        if notice.type == "server.state":
            self._open(notice)
        verdict = yield from super()._notice(notice, block_id)
        reason = notice.data.get("reason") if notice.type == "unavailable" else None
        if reason in LOST:
            self._begin(None)
        if not self.options.standby and (reason == "taken-over" or (reason == "held" and self._is_lost)):
            raise TakenOver(409, "taken-over", "Another client has taken over the consumer.")
        return verdict

    def _open(self, notice: Notice) -> None:
        match notice.data.get("consumer"):
            case {"epoch": int(epoch), "ack_timeout_ms": int(timeout), "max_in_flight": int(window)}:
                self._has_held, self._is_lost = True, False
                if not self.session or self.session.held.epoch != epoch:
                    self._begin(Held(epoch, timeout, window))

    def _reset(self, notice: Notice, block_id: str | None) -> Program[Verdict]:
        # The handled events may be of another history.
        self._forget()
        session = self.session
        yield from super()._reset(notice, block_id)
        if session:
            session.handled(block_id or str(notice.data["head"]))
            session.flush()
        return Verdict.GO_ON

    def _move(self, cursor: str | None) -> Program[None]:
        """The cursor is the gateway's."""
        yield from ()

    def _forget(self) -> None:
        """Goes on under the same epoch, without what was handled until now."""
        if self.session:
            self._begin(self.session.held)

    def _begin(self, held: Held | None) -> None:
        with self._lock:
            if self.session:
                self.session.end()
            self.session = self._made(held) if held else None

    def _made(self, held: Held) -> Session:
        times = self._stream
        return Session(
            held,
            self._requests,
            self._ack_path,
            self.options.ack_every,
            self.options.ack_after_s,
            Backoff(times.retry_s, times.max_s, times.longest_s),
            self._background(),
            self._ack_refused,
        )

    def _ack_refused(self, session: Session, error: Exception) -> None:
        with self._lock:
            if session is not self.session:
                return
            # 410: retention has passed the cursor. The next connection says so, with a reset.
            if isinstance(error, Refused) and error.status in (409, 410):
                self._is_lost = error.code == "consumer-lost"
                self._begin(None if self._is_lost else session.held)
            else:
                self._failure = error
        self.restart()


def consumer_path(name: str) -> str:
    """The path of a consumer."""
    return f"/api/consumers/{quote(name, safe='')}"
