"""A program that follows a gateway while a test takes it away.

    python live/follower.py threads|tasks URL LOGIN_URL DATABASE
    python live/follower.py threads|tasks URL LOGIN_URL FILE.cursor
    python live/follower.py consumer-threads|consumer-tasks URL LOGIN_URL NAME
    python live/follower.py dump DATABASE

It gets its tokens at LOGIN_URL, keeps every event in the same SQLite transaction as the cursor, and writes a JSON line
for each event, notice, reset and state. With a file for the cursor, it keeps nothing. "dump" writes the ids of all events
that it has kept, a line for each. SILENCE_S is the time after which a silent connection is dead; WORK_MS is how long every
tenth event takes, which it announces.
"""

import asyncio
import json
import os
import sqlite3
import sys
import time
import urllib.request
from typing import Any

from sluice_client import AsyncClient, Client, Event, FileCursor, Notice, Reset, SQLiteCursor, State, StreamOptions

MODE, *REST = sys.argv[1:]
WORK_MS = float(os.environ.get("WORK_MS", "0"))
WORK_EVERY = 10


def say(kind: str, **members: object) -> None:
    print(json.dumps({"saw": kind, **members}), flush=True)


class Application:
    def __init__(self, login: str, path: str) -> None:
        self._login = login
        self.cursor: FileCursor | SQLiteCursor
        self.cursor = FileCursor(path)
        if MODE.startswith("consumer-") or path.endswith(".cursor"):
            return
        self._database = sqlite3.connect(path)
        self._database.execute("create table if not exists seen (n integer primary key, id text, type text)")
        self.cursor = SQLiteCursor(self._database)

    def token(self) -> str:
        with urllib.request.urlopen(self._login, timeout=10) as response:
            text: str = response.read().decode()
            return text

    def handle(self, event: Event) -> None:
        if isinstance(self.cursor, SQLiteCursor):
            with self._database:
                self._database.execute("insert into seen (id, type) values (?, ?)", (event.id, event.type))
                self.work(event)
                self.cursor.save(event.id)
        else:
            self.work(event)
        say("event", id=event.id, type=event.type)

    def work(self, event: Event) -> None:
        if WORK_MS > 0 and int(event.id.partition(".")[0]) % WORK_EVERY == 0:
            say("work", id=event.id)
            time.sleep(WORK_MS / 1000)

    def arguments(self) -> dict[str, Any]:
        return {"start": "beginning", "cursor": self.cursor, **self.hooks()}

    def hooks(self) -> dict[str, Any]:
        return {
            "reload": lambda reset: self.reset(reset),
            "on_notice": self.notice,
            "on_state": self.state,
            "options": StreamOptions(silence_s=float(os.environ.get("SILENCE_S", "65"))),
        }

    def reset(self, reset: Reset) -> None:
        say("reloaded", reason=reset.reason, head=reset.head)

    def notice(self, notice: Notice) -> None:
        say(notice.type, **notice.data)

    def state(self, state: State) -> None:
        say("state", name=state.name, cause=str(state.cause))


def threads(url: str, login: str, path: str) -> None:
    application = Application(login, path)
    with Client(url, token=application.token) as client:
        if MODE == "consumer-threads":
            client.consumer(path, **application.hooks()).run(application.handle)
        else:
            client.feed(**application.arguments()).run(application.handle)


async def tasks(url: str, login: str, path: str) -> None:
    application = Application(login, path)

    async def token() -> str:
        return await asyncio.get_running_loop().run_in_executor(None, application.token)

    async with AsyncClient(url, token=token) as client:
        if MODE == "consumer-tasks":
            await client.consumer(path, **application.hooks()).run(application.handle)
        else:
            await client.feed(**application.arguments()).run(application.handle)


def dump(path: str) -> None:
    for (event_id,) in sqlite3.connect(path).execute("select id from seen order by n"):
        print(event_id)


if MODE.endswith("threads"):
    threads(*REST)
elif MODE.endswith("tasks"):
    asyncio.run(tasks(*REST))
else:
    dump(*REST)
