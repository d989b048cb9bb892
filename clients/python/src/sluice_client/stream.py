"""A stream of Server-Sent Events across its connections: the logic, without IO (WHATWG HTML, section 9.2.3).

The states, and what ends each:

- connecting: a request is on its way. A 200 with `text/event-stream` makes it live; 204 ends it for good; a
  redirect leads to another request; 408, 425, 429, 5xx and network errors make it wait; any other response is final.
- live: blocks arrive. The end of the response, a network error, silence, or a sleep of the machine makes it wait.
- waiting: until the delay of backoff.py is over, the machine wakes, or `restart` is called; then it connects.
- ended: 204, `close`, or an error, which the driver raises.
"""

import time
from collections.abc import Callable
from enum import Enum
from typing import Protocol
from urllib.parse import urljoin

from .backoff import Backoff, retry_after
from .effects import Call, Ended, Failed, Open, Opened, Program, Pull, Request, Shut, Wait, perform
from .errors import NotRefreshed, Overloaded, ProtocolError, Refused
from .origin import redirected
from .parser import Block, Comment, Parser
from .state import State, StreamOptions
from .wake import WakeDetector

TICK_S = 1.0
"""How often a wait looks at the clocks."""
MOST_REDIRECTS = 20
MOST_PROBLEM_BYTES = 65_536
PROBLEM_S = 10.0


class Verdict(Enum):
    """The decision of a reader after a block or a tick."""

    GO_ON = "go on"
    RECONNECT = "reconnect after a delay"
    RECONNECT_NOW = "reconnect at once"
    END = "end for good"


class Reader(Protocol):
    """The upper layer: what to request, and what a block means."""

    def request(self) -> Program[Request]:
        """The request of the next connection."""

    def opened(self) -> Program[None]:
        """A response is a stream."""

    def block(self, block: Block | Comment) -> Program[Verdict]:
        """Takes what has arrived."""

    def tick(self) -> Program[Verdict]:
        """Is called at least once a second while the stream is live, and after `patience_s`."""

    def patience_s(self) -> float:
        """The seconds until `tick` has something to do."""

    def refused(self, refusal: Refused) -> Program[Verdict]:
        """Whether to try again; at the end the refusal is raised."""


class Stream:
    """Runs a reader over connection after connection."""

    def __init__(
        self,
        reader: Reader,
        options: StreamOptions,
        on_state: Callable[[State], object] | None = None,
        wake: WakeDetector | None = None,
    ) -> None:
        self.restarting = False
        self.closing = False
        self.state = State("connecting")
        self._reader = reader
        self._options = options
        self._on_state = on_state
        self._wake = wake or WakeDetector()
        self._backoff = Backoff(options.retry_s, options.max_s, options.longest_s)
        self._failures = 0
        self._at_least_s = 0.0
        self._cause: Exception | None = None

    def run(self) -> Program[None]:
        """Ends after a 204 or when the reader wants it.

        :raises Refused: the response is final.
        :raises ProtocolError: the response is no stream, or an event is too large.
        """
        while True:
            yield from self._show(State("connecting", failures=self._failures))
            try:
                verdict = yield from self._connection()
            except NotRefreshed as error:
                verdict = self._failed(Failed(error))
            except Exception as error:
                yield from self._show(State("ended", cause=error))
                raise
            yield from perform(Shut())
            if verdict is Verdict.END:
                yield from self._show(State("ended"))
                return
            if verdict is Verdict.RECONNECT:
                yield from self._pause()

    def _connection(self) -> Program[Verdict]:
        self._at_least_s, self._cause = 0.0, None
        self.restarting = False
        request = yield from self._reader.request()
        first = request.url
        for _ in range(MOST_REDIRECTS):
            yield from perform(Open(request, self._options.connect_s))
            head = yield from self._pull(self._options.silence_s)
            if not isinstance(head, Opened):
                return self._failed(head)
            location = head.headers.get("location")
            if head.status not in (301, 302, 303, 307, 308) or not location:
                return (yield from self._answered(head))
            try:
                request = redirected(request, head.status, urljoin(request.url, location), first)
            except ValueError as error:
                raise ProtocolError(f"{first} redirects to {location[:200]!r}, which is no URL.", "redirect") from error
        raise ProtocolError(f"{first} redirects more than {MOST_REDIRECTS} times.", "redirect")

    def _answered(self, head: Opened) -> Program[Verdict]:
        if head.status == 204:
            return Verdict.END
        if head.status == 200:
            kind = head.headers.get("content-type", "")
            if kind.partition(";")[0].strip().lower() != "text/event-stream":
                got = kind[:200] or "no Content-Type"
                raise ProtocolError(f"Expected a response of text/event-stream, got {got}.", "content-type")
            return (yield from self._live())
        body = yield from self._body()
        if head.status in (408, 425, 429) or head.status >= 500:
            self._at_least_s = retry_after(head.headers)
            return self._failed(Failed(Overloaded.from_body(head.status, body)))
        refusal = Refused.from_body(head.status, body)
        verdict = yield from self._reader.refused(refusal)
        if verdict is Verdict.END:
            raise refusal
        self._at_least_s, self._cause = retry_after(head.headers), refusal
        return verdict

    def _live(self) -> Program[Verdict]:
        parser = Parser(self._options.max_event_bytes)
        lived_s = silent_s = 0.0
        shown = False
        yield from self._reader.opened()
        while True:
            wait_s = max(0.0, min(TICK_S, self._options.silence_s - silent_s, self._reader.patience_s()))
            self._wake.before()
            signal = yield from perform(Pull(wait_s))
            slept = self._wake.slept(wait_s)
            if isinstance(signal, bytes):
                silent_s = 0.0
                for block in parser.feed(signal):
                    if isinstance(block, Block):
                        self._proven()
                    verdict = yield from self._reader.block(block)
                    if self.closing:
                        return Verdict.END
                    if self.restarting:
                        verdict = Verdict.RECONNECT_NOW
                    if verdict is not Verdict.GO_ON:
                        self._hear(parser)
                        return verdict
                    if not shown and isinstance(block, Block):
                        shown = True
                        yield from self._show(State("live"))
                self._hear(parser)
            elif signal is None:
                silent_s += wait_s
                lived_s += wait_s
                if lived_s > self._backoff.last_s:
                    self._proven()
                if self.restarting:
                    return Verdict.RECONNECT_NOW
                if silent_s >= self._options.silence_s:
                    return self._failed(Failed(TimeoutError(f"Nothing arrived for {self._options.silence_s:g} s.")))
            else:
                return self._failed(signal)
            # Bytes that arrive after a sleep can be from before it, so they prove nothing.
            verdict = Verdict.RECONNECT_NOW if slept else (yield from self._reader.tick())
            if verdict is not Verdict.GO_ON:
                return verdict

    def _hear(self, parser: Parser) -> None:
        if parser.retry_ms is not None:
            self._backoff.hear_retry(parser.retry_ms)

    def _proven(self) -> None:
        self._failures = 0
        self._backoff.restart()

    def _failed(self, signal: Opened | bytes | Ended | Failed | None) -> Verdict:
        if isinstance(signal, Failed):
            if signal.is_final:
                raise signal.error
            self._cause = signal.error
        elif signal is None:
            self._cause = TimeoutError("The server did not answer in time.")
        return Verdict.RECONNECT

    def _pull(self, seconds: float) -> Program[Opened | bytes | Ended | Failed | None]:
        """The next signal, within some seconds. A sleep of the machine counts as the end of the wait."""
        left = seconds
        while left > 0 and not self.restarting:
            step = min(TICK_S, left)
            self._wake.before()
            signal = yield from perform(Pull(step))
            if signal is not None or self._wake.slept(step):
                return signal
            left -= step
        return None

    def _body(self) -> Program[bytes]:
        body = b""
        until = time.monotonic() + PROBLEM_S
        while len(body) < MOST_PROBLEM_BYTES:
            signal = yield from self._pull(until - time.monotonic())
            if not isinstance(signal, bytes):
                break
            body += signal
        return body[:MOST_PROBLEM_BYTES]

    def _pause(self) -> Program[None]:
        delay = self._backoff.next(self._at_least_s)
        self._failures += 1
        yield from self._show(State("waiting", delay, self._failures, self._cause))
        left = delay
        while left > 0 and not self.restarting:
            step = min(TICK_S, left)
            self._wake.before()
            yield from perform(Wait(step))
            if self._wake.slept(step):
                return
            left -= step

    def _show(self, state: State) -> Program[None]:
        self.state = state
        if self._on_state:
            yield from perform(Call(self._on_state, (state,)))
