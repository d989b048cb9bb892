"""Where a feed keeps its cursor: the id up to which the application has every event.

With delivery="at-least-once" the feed saves after the application has handled an event: after a crash it gets that event
again. With "at-most-once" it saves before. For exactly once, save the id in the transaction of your change: SQLiteCursor.
"""

import os
import re
import sqlite3
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class CursorStore(Protocol):
    """A store of cursors, as a feed uses it. Both methods may be async with AsyncClient."""

    def load(self) -> "str | None | Awaitable[str | None]":
        """The id that was saved last; None at first."""

    def save(self, cursor: str) -> "None | Awaitable[None]":
        """Replaces it. When this returns, the id survives what the store is meant to survive."""


class MemoryCursor:
    """Survives the feed, not the process."""

    def __init__(self, cursor: str | None = None) -> None:
        self.cursor = cursor

    def load(self) -> str | None:
        return self.cursor

    def save(self, cursor: str) -> None:
        self.cursor = cursor


class FileCursor:
    """A file of mode 600 that is replaced as a whole: one for each gateway, workspace and stream.

    sync: whether each id survives a power failure, which costs a write to the disk for each event. Without it, the ids
      of the last seconds can be lost then, and their events come again; a crash of the process never loses one.
    """

    def __init__(self, path: str | os.PathLike[str], sync: bool = True) -> None:
        self.path = Path(path)
        self._sync = sync

    def load(self) -> str | None:
        """:raises ValueError: the file has something else than an id."""
        try:
            cursor = self.path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        if not _ID.fullmatch(cursor):
            raise ValueError(f"{self.path} has no event id. Remove the file to start without a cursor.")
        return cursor

    def save(self, cursor: str) -> None:
        # mkstemp makes the file with mode 600, and in the same folder, so that os.replace is atomic.
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(cursor)
                if self._sync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


class SQLiteCursor:
    """A row in the application's own SQLite database.

    `save` joins the transaction that is open on the connection; otherwise it commits at once. So a change and the id of its
    event commit together or not at all, and every event counts exactly once:

        for event in client.feed(cursor=cursor):
            with db:
                apply(db, event)
                cursor.save(event.id)

    connection: used only in the thread that iterates over the feed.
    name: the key of the row: one for each gateway, workspace and stream.
    """

    def __init__(self, connection: sqlite3.Connection, name: str = "feed") -> None:
        self._connection = connection
        self._name = name
        connection.execute("create table if not exists sluice_cursors (name text primary key, cursor text not null)")

    def load(self) -> str | None:
        row = self._connection.execute(
            "select cursor from sluice_cursors where name = ?", (self._name,)
        ).fetchone()
        return str(row[0]) if row else None

    def save(self, cursor: str) -> None:
        joins = self._connection.in_transaction
        # The feed saves every id after its event; one that the application has saved costs no commit.
        if not joins and self.load() == cursor:
            return
        self._connection.execute(
            "insert into sluice_cursors values (?, ?) on conflict (name) do update set cursor = excluded.cursor",
            (self._name, cursor),
        )
        if not joins:
            self._connection.commit()
