"""What the panel has received: the changes and the cursor of the feed in one SQLite file, written in one transaction.

So a change is in the list exactly once, whether the program, the gateway or the machine failed in between.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice_client import Event, SQLiteCursor

KEPT = 10_000
"""Older changes are removed."""
GAP = "gap"
"""The type of the line that says that changes are missing."""

SCHEMA = """
create table if not exists changes (
  n integer primary key, id text not null unique, type text not null, at text, data text not null, actor text,
  seen integer not null default 0
)"""


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the list. `n` counts in the order of arrival; `at` is RFC 3339; `actor` is None where it is unknown."""

    n: int
    id: str
    type: str
    at: str | None
    data: Mapping[str, Any]
    actor: str | None = None
    seen: bool = False


class History:
    """One connection to the file, for one thread. Each thread opens its own."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=10)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute(SCHEMA)
        self.cursor = SQLiteCursor(self._database)

    def add(self, event: Event, seen: bool) -> Change:
        """Keeps a change and the cursor, together. One that is already there is returned as it is."""
        actor = event.data.get("runner") if event.type == "job.started" else None
        with self._database:
            change = self._insert(event.id, event.type, event.at, event.data, actor, seen)
            self._database.execute("delete from changes where n <= ?", (change.n - KEPT,))
            self.cursor.save(event.id)
        return change

    def add_gap(self, reason: str, head: str, at: str) -> Change:
        """Keeps a line that says that changes before `head` are missing."""
        with self._database:
            return self._insert(f"gap-{head}", GAP, at, {"reason": reason}, None, False)

    def _insert(
        self, id: str, type: str, at: str | None, data: Mapping[str, Any], actor: object, seen: bool
    ) -> Change:
        self._database.execute(
            "insert into changes (id, type, at, data, actor, seen) values (?, ?, ?, ?, ?, ?) on conflict do nothing",
            (id, type, at, json.dumps(data), actor, seen),
        )
        return self._read("where id = ?", id)[0]

    def newest(self, count: int) -> list[Change]:
        """The newest changes, the oldest of them first."""
        return self._read("order by n desc limit ?", count)[::-1]

    def unseen(self) -> int:
        """How many changes the user has not seen."""
        (count,) = self._database.execute("select count(*) from changes where not seen").fetchone()
        return int(count)

    def mark_seen(self, n: int | None = None) -> None:
        """One change, or all."""
        with self._database:
            self._database.execute("update changes set seen = 1 where not seen and (n = ?1 or ?1 is null)", (n,))

    def name_actor(self, n: int, actor: str) -> None:
        """Who made a change, once that is known."""
        with self._database:
            self._database.execute("update changes set actor = ? where n = ?", (actor, n))

    def close(self) -> None:
        self._database.close()

    def _read(self, rest: str, *values: object) -> list[Change]:
        rows = self._database.execute(f"select n, id, type, at, data, actor, seen from changes {rest}", values)
        return [
            Change(n, id, type, at, json.loads(data), actor, bool(seen)) for n, id, type, at, data, actor, seen in rows
        ]
