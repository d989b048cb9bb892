"""The thread that follows the feed. It talks to the window only through a queue, so neither waits for the other."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sluice_client import Client, Feed, GaveUp, Overloaded, Refused, Reset, State, Unreachable

from .history import Change, History
from .words import utc_now

FIRST = 50
"""How many changes a new panel begins with."""
MOST_ITEMS = 20_000


@dataclass(frozen=True, slots=True)
class Arrived:
    change: Change


@dataclass(frozen=True, slots=True)
class Connection:
    state: State


@dataclass(frozen=True, slots=True)
class Stopped:
    """The feed has ended for good; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The descriptions of all items, by their part numbers."""

    descriptions: dict[str, str]


Message = Arrived | Connection | Stopped | Loaded


class Following:
    """Follows in a thread until `close`. `start` begins anew after a refusal."""

    def __init__(self, client: Client, path: Path, messages: "queue.Queue[Message]") -> None:
        self._client = client
        self._path = path
        self._messages = messages
        self._feed: Feed | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def start(self) -> None:
        """Starts the thread, or connects at once if it waits."""
        if self._thread and self._thread.is_alive():
            if self._feed:
                self._feed.restart()
            return
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Returns when the thread has written its last change."""
        self._is_closed = True
        if self._feed:
            self._feed.close()
        if self._thread:
            self._thread.join(2)

    def _run(self) -> None:
        history = History(self._path)
        try:
            while not self._is_closed:
                try:
                    self._follow(history)
                    break
                except (GaveUp, Overloaded, Unreachable):
                    # The items could not be loaded after a reset. The cursor is that of before, so the reset comes again.
                    continue
            self._messages.put(Stopped("The stream has ended."))
        except Exception as error:  # noqa: BLE001 - the thread must not end without a word
            self._messages.put(Stopped(error.detail if isinstance(error, Refused) else str(error)))
        finally:
            history.close()

    def _follow(self, history: History) -> None:
        def reload(reset: Reset) -> str:
            at = utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
            head = load_items(self._client, self._messages.put)
            self._messages.put(Arrived(history.add_gap(reset.reason, reset.head, at)))
            return head

        is_new, started = history.cursor.load() is None, utc_now()
        with self._client.feed(
            last=FIRST,
            envelope=True,
            cursor=history.cursor,
            reload=reload,
            on_state=lambda state: self._messages.put(Connection(state)),
        ) as feed:
            self._feed = feed
            for event in feed:
                # What a new panel begins with is no news.
                seen = is_new and event.time is not None and event.time < started
                self._messages.put(Arrived(history.add(event, seen)))


def load_items(client: Client, put: Callable[[Message], None]) -> str:
    """Loads all items, and returns the newest event that the first page includes."""
    page = client.items.page(limit=200)
    head = page.head
    descriptions = {item["part_number"]: item["description"] for item in page.items}
    while page.next_cursor and len(descriptions) < MOST_ITEMS:
        page = client.items.page(limit=200, cursor=page.next_cursor)
        descriptions |= {item["part_number"]: item["description"] for item in page.items}
    put(Loaded(descriptions))
    return head
