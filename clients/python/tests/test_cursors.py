"""The cursor stores."""

import sqlite3
import stat
from pathlib import Path

import pytest

from sluice_client import FileCursor, MemoryCursor, SQLiteCursor


def test_a_file_is_private_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "feed.cursor"
    store = FileCursor(path)
    assert store.load() is None

    store.save("1.abcdef")
    before = path.stat().st_ino
    store.save("2.abcdef")

    assert FileCursor(path).load() == "2.abcdef"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_ino != before
    assert [file.name for file in tmp_path.iterdir()] == ["feed.cursor"]


def test_a_file_of_something_else_is_an_error_and_no_start_from_now(tmp_path: Path) -> None:
    path = tmp_path / "feed.cursor"
    path.write_text("")

    with pytest.raises(ValueError, match="Remove the file"):
        FileCursor(path).load()


def test_a_failed_write_leaves_the_old_cursor_and_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileCursor(tmp_path / "feed.cursor")
    store.save("1.abcdef")

    def full(_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.save("2.abcdef")

    assert store.load() == "1.abcdef"
    assert [file.name for file in tmp_path.iterdir()] == ["feed.cursor"]


def test_sqlite_commits_the_cursor_with_the_change_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with _database(path) as database:
        store = SQLiteCursor(database)
        database.execute("create table counts (n integer)")
        with database:
            database.execute("insert into counts values (1)")
            store.save("1.abcdef")
        with pytest.raises(RuntimeError), database:
            database.execute("insert into counts values (2)")
            store.save("2.abcdef")
            raise RuntimeError

    with _database(path) as database:
        assert SQLiteCursor(database).load() == "1.abcdef"
        assert database.execute("select n from counts").fetchall() == [(1,)]


def test_sqlite_commits_alone_outside_of_a_transaction(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with _database(path) as one, _database(path) as other:
        SQLiteCursor(one, "a").save("1.abcdef")

        assert SQLiteCursor(other, "a").load() == "1.abcdef"
        assert SQLiteCursor(other, "b").load() is None


def test_memory_begins_where_it_is_told() -> None:
    assert MemoryCursor("1.abcdef").load() == "1.abcdef"


class _database:
    """A connection that is closed, which that of sqlite3 by itself is not."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()
