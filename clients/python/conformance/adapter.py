"""The adapter of the contract suite (conformance/contract/README.md) for this client.

    python adapter.py threads|tasks

"threads" plays the cases with Client and EventSource, "tasks" with AsyncClient and AsyncEventSource.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
from sluice_client import (
    AsyncClient,
    AsyncConsumer,
    AsyncEventSource,
    AsyncFeed,
    Client,
    Consumer,
    Event,
    EventSource,
    EventsMissing,
    Feed,
    HandlerFailed,
    Hooks,
    Notice,
    ProtocolError,
    Refused,
    Reset,
    ServerSentEvent,
    State,
    StreamOptions,
    TakenOver,
    Token,
)

# One for all cases: making one takes longer than most of them.
HTTP = {"verify": httpx.create_ssl_context()}
Options = dict[str, Any]
Hold = Callable[[], Any]


class Report:
    """Writes the observations of one case."""

    _lock = threading.Lock()

    def __init__(self, case: str) -> None:
        self._case = case

    def saw(self, what: str, **members: object) -> None:
        line = json.dumps({"case": self._case, "saw": what, **members})
        with self._lock:
            print(line, flush=True)

    def state(self, state: State) -> None:
        if state.name == "waiting":
            self.saw("retrying", delay_ms=state.retry_in_s * 1000)

    def event(self, event: ServerSentEvent | Event) -> None:
        self.saw("event", id=event.id, type=event.type, data=event.data)

    def handled(self, event: ServerSentEvent | Event, options: Options) -> None:
        if options.get("throws") == event.id:
            raise LookupError("The handler of the case fails.")
        self.saw("handled", id=event.id)

    def ended(self, error: BaseException | None, stopped: bool) -> None:
        if isinstance(error, HandlerFailed):
            self.saw("ended", why="handler", detail=str(error))
        elif isinstance(error, TakenOver):
            self.saw("ended", why="taken-over", status=error.status, code=error.code, detail=str(error))
        elif isinstance(error, Refused):
            self.saw("ended", why="refused", status=error.status, code=error.code, detail=str(error))
        elif isinstance(error, ProtocolError):
            self.saw("ended", why="protocol", code=error.code, detail=str(error))
        elif isinstance(error, EventsMissing):
            self.saw("ended", why="reset", detail=str(error))
        elif error is not None:
            self.saw("ended", why="failed", detail=repr(error))
        else:
            self.saw("ended", why="stopped" if stopped else "closed")


class Application:
    """What the client calls: the store, the hooks, and the function for new credentials."""

    def __init__(self, report: Report, options: Options, hold: Hold) -> None:
        self.report = report
        self.options = options
        self._hold = hold
        self._refreshes = list(options.get("refresh", []))
        self._first = True
        self._cursor: str | None = options.get("last_event_id")

    def load(self) -> str | None:
        return self._cursor

    def save(self, cursor: str) -> None:
        self._cursor = cursor
        self.report.saw("stored", id=cursor)

    def notice(self, notice: Notice) -> None:
        if notice.type == "server.state":
            self.report.saw("state", mode=notice.data.get("mode"))
        elif notice.type == "auth-renewed":
            self.report.saw("renewed")

    def token(self) -> Token:
        if self._first and "token" in self.options:
            self._first = False
            return _token(self.options)
        self.report.saw("asked")
        if not self._refreshes:
            raise LookupError("The application has no further credentials.")
        return _token(self._refreshes.pop(0))

    def credentials(self) -> Token | Callable[[], Token] | None:
        if "refresh" in self.options:
            return self.token
        return _token(self.options) if "token" in self.options else None

    def reset(self, reset: Reset) -> str | None:
        self.report.saw("reset", id=reset.head, reason=reset.reason)
        if self.options.get("hold") == "reset":
            self._hold()
        self.report.saw("reloaded")
        head: str | None = self.options["reload"]
        return head

    async def reset_async(self, reset: Reset) -> str | None:
        self.report.saw("reset", id=reset.head, reason=reset.reason)
        if self.options.get("hold") == "reset":
            await self._hold()
        self.report.saw("reloaded")
        head: str | None = self.options["reload"]
        return head


def _token(given: Options) -> Token:
    lasts = given.get("expires_in_ms")
    return Token(given["token"], None if lasts is None else time.time() + lasts / 1000)


def stream_options(options: Options) -> StreamOptions:
    times = {"retry_ms": "retry_s", "max_ms": "max_s", "longest_ms": "longest_s", "silence_ms": "silence_s"}
    given: dict[str, Any] = {to: options[name] / 1000 for name, to in times.items() if name in options}
    if "max_event_bytes" in options:
        given["max_event_bytes"] = options["max_event_bytes"]
    return StreamOptions(**given)


def source_arguments(report: Report, options: Options) -> dict[str, Any]:
    comment = lambda text: report.saw("comment", text=text)  # noqa: E731
    return {
        "headers": options.get("headers"),
        "method": options.get("method", "GET"),
        "body": options["body"].encode() if "body" in options else None,
        "last_event_id": options.get("last_event_id", ""),
        "options": stream_options(options),
        "http": HTTP,
        "hooks": Hooks(on_open=lambda: report.saw("opened"), on_comment=comment, on_state=report.state),
    }


def feed_arguments(application: Application, reload: Callable[[Reset], Any]) -> dict[str, Any]:
    options = application.options
    return {
        **common_arguments(application, reload),
        "types": options.get("types"),
        "start": options.get("from"),
        "cursor": application,
        "delivery": "at-most-once" if options.get("store") == "before" else "at-least-once",
    }


def consumer_arguments(application: Application, reload: Callable[[Reset], Any]) -> dict[str, Any]:
    options = application.options
    times = {"ack_after_ms": "ack_after_s", "close_ms": "close_within_s"}
    return {
        **common_arguments(application, reload),
        **{to: options[name] / 1000 for name, to in times.items() if name in options},
        **{name: options[name] for name in ("ack_every", "standby", "takeover") if name in options},
    }


def common_arguments(application: Application, reload: Callable[[Reset], Any]) -> dict[str, Any]:
    options = application.options
    times = {"renew_ms": "renew_early_s", "confirm_ms": "confirm_s"}
    return {
        **{to: options[name] / 1000 for name, to in times.items() if name in options},
        "reload": reload if "reload" in options else None,
        "on_state": application.report.state,
        "on_notice": application.notice,
        "options": stream_options(options),
    }


class Threads:
    """Each case in a thread of its own."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[EventSource | Feed | Consumer, threading.Semaphore]] = {}
        self._stopped: set[str] = set()

    def follow(self, case: str, layer: str, url: str, options: Options) -> None:
        report, go = Report(case), threading.Semaphore(0)
        stream: EventSource | Feed | Consumer
        if layer == "sse":
            stream = EventSource(url, **source_arguments(report, options))
        else:
            application = Application(report, options, go.acquire)
            client = Client(url, token=application.credentials(), http=HTTP)
            if layer == "feed":
                stream = client.feed(**feed_arguments(application, application.reset))
            else:
                stream = client.consumer(options["consumer"], **consumer_arguments(application, application.reset))
        self._open[case] = (stream, go)
        threading.Thread(target=self._play, args=(case, stream, go, report, options), daemon=True).start()

    def _play(
        self,
        case: str,
        stream: EventSource | Feed | Consumer,
        go: threading.Semaphore,
        report: Report,
        options: Options,
    ) -> None:
        def handle(event: ServerSentEvent | Event) -> None:
            report.event(event)
            if options.get("hold") == "event":
                go.acquire()
            report.handled(event, options)

        error: BaseException | None = None
        try:
            if isinstance(stream, Consumer):
                stream.run(handle)
            else:
                for event in stream:
                    handle(event)
        except Exception as raised:  # noqa: BLE001 - the runner judges it
            error = raised
        stream.close()
        report.ended(error, case in self._stopped)

    def close(self, case: str) -> None:
        self._stopped.add(case)
        stream, go = self._open[case]
        # A consumer waits for its last acknowledgement.
        threading.Thread(target=stream.close, daemon=True).start()
        go.release(1_000)

    def restart(self, case: str) -> None:
        self._open[case][0].restart()

    def go(self, case: str) -> None:
        self._open[case][1].release()


class Tasks:
    """Each case in a task of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open: dict[str, tuple[AsyncEventSource | AsyncFeed | AsyncConsumer, asyncio.Semaphore]] = {}
        self._stopped: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, case: str, layer: str, url: str, options: Options) -> None:
        report, go = Report(case), asyncio.Semaphore(0)
        stream: AsyncEventSource | AsyncFeed | AsyncConsumer
        if layer == "sse":
            stream = AsyncEventSource(url, **source_arguments(report, options))
        else:
            application = Application(report, options, go.acquire)
            client = AsyncClient(url, token=application.credentials(), http=HTTP)
            if layer == "feed":
                stream = client.feed(**feed_arguments(application, application.reset_async))
            else:
                stream = client.consumer(options["consumer"], **consumer_arguments(application, application.reset_async))
        self._open[case] = (stream, go)
        task = self._loop.create_task(self._play(case, stream, go, report, options))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _play(
        self,
        case: str,
        stream: AsyncEventSource | AsyncFeed | AsyncConsumer,
        go: asyncio.Semaphore,
        report: Report,
        options: Options,
    ) -> None:
        async def handle(event: ServerSentEvent | Event) -> None:
            report.event(event)
            if options.get("hold") == "event":
                await go.acquire()
            report.handled(event, options)

        error: BaseException | None = None
        try:
            if isinstance(stream, AsyncConsumer):
                await stream.run(handle)
            else:
                async for event in stream:
                    await handle(event)
        except Exception as raised:  # noqa: BLE001 - the runner judges it
            error = raised
        await stream.aclose()
        report.ended(error, case in self._stopped)

    def close(self, case: str) -> None:
        self._stopped.add(case)
        stream, go = self._open[case]
        stream.close()
        for _ in range(1_000):
            go.release()

    def restart(self, case: str) -> None:
        self._open[case][0].restart()

    def go(self, case: str) -> None:
        self._open[case][1].release()


def obey(player: Threads | Tasks, line: str) -> None:
    command = json.loads(line)
    match command["command"]:
        case "follow":
            player.follow(command["case"], command["layer"], command["url"], command.get("options", {}))
        case "close":
            player.close(command["case"])
        case "restart":
            player.restart(command["case"])
        case "go":
            player.go(command["case"])


async def play_tasks() -> None:
    loop = asyncio.get_running_loop()
    player = Tasks(loop)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        obey(player, line)


def main() -> None:
    kind = sys.argv[1]
    print(json.dumps({"name": f"sluice-client for Python, {kind}", "without": []}), flush=True)
    if kind == "tasks":
        asyncio.run(play_tasks())
        return
    player = Threads()
    for line in sys.stdin:
        obey(player, line)


if __name__ == "__main__":
    main()
