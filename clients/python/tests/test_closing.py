"""How a feed ends when another thread or task wants it, whatever it waits for."""

import asyncio
import signal
import threading
import time
from typing import Literal

import pytest

from sluice_client import (
    AsyncClient, AsyncEventSource, Client, EventSource, MemoryCursor, Refused, State, StreamOptions, Token,
)  # fmt: skip
from scripted_server import PATIENCE_S, STREAM, Exchange, scripted_server

STATE = b'id: 1.a\nevent: server.state\ndata: {"mode":"normal","connection":"c"}\n\n'
EVENT = b"id: 2.b\nevent: made\ndata: {}\n\n"


class Reached:
    """Plays a server that falls silent at some point, and knows when the client has got there and has left."""

    def __init__(self, point: str) -> None:
        self._point = point
        self.there = threading.Event()
        self.left = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        renewal = exchange.head.startswith(b"POST")
        if self._point != "head" and not renewal:
            exchange.send(STREAM, STATE)
        if self._point != "renewal" or renewal:
            self.there.set()
        exchange.until_closed()
        self.left.set()


@pytest.mark.parametrize("point", ["head", "body", "renewal"])
def test_close_from_another_thread_ends_an_iteration_that_waits(point: str) -> None:
    server = Reached(point)
    tokens = iter([Token("a", time.time() + 0.5), Token("b", time.time() + 3_600)])
    with scripted_server(server) as url, Client(url, token=lambda: next(tokens)) as client:
        feed = client.feed()
        closed_at: list[float] = []

        def close() -> None:
            server.there.wait(PATIENCE_S)
            closed_at.append(time.monotonic())
            feed.close()

        threading.Thread(target=close, daemon=True).start()
        assert list(feed) == []

        assert time.monotonic() - closed_at[0] < 1
        assert server.left.wait(PATIENCE_S), "the connection was closed"


def test_close_ends_the_wait_for_the_next_connection() -> None:
    with scripted_server(lambda exchange: None) as url:
        pass
    waiting = threading.Event()
    with Client(url) as client:
        feed = client.feed(
            on_state=lambda state: waiting.set() if state.name == "waiting" else None,
            options=StreamOptions(retry_s=600, max_s=600),
        )

        def close() -> None:
            waiting.wait(PATIENCE_S)
            feed.close()

        threading.Thread(target=close, daemon=True).start()

        assert list(feed) == []


def test_an_event_is_handled_when_the_loop_asks_for_the_next_even_after_close() -> None:
    saved: list[str] = []

    class Store:
        def load(self) -> None:
            return None

        def save(self, cursor: str) -> None:
            saved.append(cursor)

    def play(exchange: Exchange) -> None:
        exchange.send(STREAM, EVENT)
        exchange.until_closed()

    with scripted_server(play) as url, Client(url) as client:
        feed = client.feed(cursor=Store())
        for _ in feed:
            assert saved == []
            feed.close()

    assert saved == ["2.b"]


@pytest.mark.parametrize("delivery", ["at-least-once", "at-most-once"])
def test_close_in_the_loop_leaves_the_events_that_have_arrived_for_the_next_start(
    delivery: Literal["at-least-once", "at-most-once"],
) -> None:
    def play(exchange: Exchange) -> None:
        exchange.send(STREAM, STATE + EVENT + b"id: 3.c\nevent: made\ndata: {}\n\n")
        exchange.until_closed()

    cursor = MemoryCursor()
    with scripted_server(play) as url, Client(url) as client:
        feed = client.feed(cursor=cursor, delivery=delivery)
        for event in feed:
            feed.close()

    assert (event.id, cursor.load()) == ("2.b", "2.b")


def test_close_in_the_loop_ends_a_source_before_its_next_event() -> None:
    def play(exchange: Exchange) -> None:
        exchange.send(STREAM, b"data: 1\n\ndata: 2\n\n")
        exchange.until_closed()

    taken: list[str] = []

    async def follow(url: str) -> None:
        async with AsyncEventSource(url) as source:
            async for event in source:
                taken.append(event.data)
                source.close()

    with scripted_server(play) as url, EventSource(url) as source:
        for event in source:
            taken.append(event.data)
            source.close()
        asyncio.run(follow(url))

    assert taken == ["1", "1"]


def test_ctrl_c_ends_a_waiting_iteration_and_leaves_nothing() -> None:
    left = threading.Event()

    def play(exchange: Exchange) -> None:
        exchange.send(STREAM, EVENT)
        exchange.until_closed()
        left.set()

    cursor = MemoryCursor()
    main = threading.main_thread().ident or 0
    with scripted_server(play) as url, Client(url) as client:
        feed = client.feed(cursor=cursor)
        next(feed)
        # The cursor of an event moves when the loop asks for the next one, which never comes.
        pressed = threading.Timer(0.1, lambda: signal.pthread_kill(main, signal.SIGINT))
        pressed.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            next(feed)

        assert time.monotonic() - began < 1.1
        assert left.wait(PATIENCE_S)
    assert cursor.load() == "2.b"
    for thread in threading.enumerate():
        if thread.name == "sluice-read":
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_a_feed_that_nobody_holds_closes_its_connection() -> None:
    left = threading.Event()

    def play(exchange: Exchange) -> None:
        exchange.send(STREAM, EVENT)
        exchange.until_closed()
        left.set()

    with scripted_server(play) as url, Client(url) as client:
        for _ in client.feed():
            break

        assert left.wait(PATIENCE_S)


@pytest.mark.parametrize("point", ["head", "body"])
def test_cancelling_a_task_closes_its_connection(point: str) -> None:
    server = Reached(point)

    async def follow(url: str) -> None:
        async with AsyncClient(url) as client:
            task = asyncio.ensure_future(client.feed().run(lambda event: None))
            await asyncio.get_running_loop().run_in_executor(None, server.there.wait, PATIENCE_S)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            # Before the client is closed, and before the loop ends.
            assert await asyncio.get_running_loop().run_in_executor(None, server.left.wait, PATIENCE_S)

    with scripted_server(server) as url:
        asyncio.run(follow(url))


def test_close_ends_the_iteration_of_another_task() -> None:
    server = Reached("body")

    async def follow(url: str) -> None:
        async with AsyncClient(url) as client, client.feed() as feed:
            task = asyncio.ensure_future(feed.run(lambda event: None))
            await asyncio.get_running_loop().run_in_executor(None, server.there.wait, PATIENCE_S)
            feed.close()
            await task

    with scripted_server(server) as url:
        asyncio.run(follow(url))


def test_a_refusal_ends_the_feed_and_is_raised_once() -> None:
    def play(exchange: Exchange) -> None:
        body = b'{"code":"role-too-low","detail":"Use a token with the role viewer."}'
        exchange.send(b"HTTP/1.1 403 No\r\nContent-Length: %d\r\n\r\n" % len(body), body)

    states: list[State] = []
    with scripted_server(play) as url, Client(url) as client:
        feed = client.feed(on_state=states.append)
        with pytest.raises(Refused) as refusal:
            next(feed)

        assert states[-1] == feed.state == State("ended", cause=refusal.value)
        assert (refusal.value.status, refusal.value.code) == (403, "role-too-low")
        assert list(feed) == []


def test_restart_ends_a_wait_and_a_connection() -> None:
    states: list[State] = []
    live = [threading.Event(), threading.Event(), threading.Event()]

    def play(exchange: Exchange) -> None:
        live[exchange.number - 1].set()
        if exchange.number > 1:
            exchange.send(STREAM, STATE)
            exchange.until_closed()

    with scripted_server(play) as url, Client(url) as client:
        feed = client.feed(on_state=states.append, options=StreamOptions(retry_s=600, max_s=600))

        def drive() -> None:
            for reached in live:
                reached.wait(PATIENCE_S)
                while feed.state.name == "connecting":
                    time.sleep(0.005)
                if reached is live[-1]:
                    feed.close()
                else:
                    feed.restart()

        threading.Thread(target=drive, daemon=True).start()
        assert list(feed) == []

    assert [state.name for state in states] == ["connecting", "waiting", "connecting", "live", "connecting", "live"]


def test_a_cancellation_is_not_lost_when_something_arrives_at_the_same_time() -> None:
    """Python 3.10 and 3.11 lose it in asyncio.wait_for."""

    def play(exchange: Exchange) -> None:
        exchange.send(STREAM)
        while True:
            exchange.send(EVENT)

    async def follow(url: str) -> None:
        async with AsyncClient(url) as client:
            for times in range(20):
                task = asyncio.ensure_future(client.feed().run(lambda event: None))
                await asyncio.sleep(0.01 + times * 0.001)
                task.cancel()
                done, _ = await asyncio.wait([task], timeout=PATIENCE_S)
                assert done, "the task ends"
                assert task.cancelled()

    with scripted_server(play) as url:
        asyncio.run(follow(url))


def test_the_connection_of_a_response_that_ends_while_it_is_left_is_closed() -> None:
    """A cancellation in the middle of closing would leave it open."""
    left = threading.Event()

    def play(exchange: Exchange) -> None:
        notice = b"event: auth-revoked\ndata: {}\n\n"
        exchange.send(STREAM[:-2] + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(notice), notice))
        exchange.until_closed()
        left.set()

    async def follow(url: str) -> None:
        async with AsyncClient(url) as client:
            feed = client.feed()
            with pytest.raises(Refused):
                await feed.__anext__()
            assert await asyncio.get_running_loop().run_in_executor(None, left.wait, PATIENCE_S)

    with scripted_server(play) as url:
        asyncio.run(follow(url))
