"""A handler that fails: its event does not count as handled, whatever the application does then."""

import asyncio
from collections.abc import Callable

import pytest

from sluice_client import AsyncClient, Client, Event, HandlerFailed, MemoryCursor
from scripted_server import STREAM, Exchange, scripted_server

EVENTS = b"id: 2.b\nevent: made\ndata: {}\n\nid: 3.c\nevent: made\ndata: {}\n\n"
HELD = (
    b'id: 1.a\nevent: server.state\ndata: {"mode":"normal","connection":"c","consumer":'
    b'{"name":"orders","epoch":7,"ack_timeout_ms":30000,"max_in_flight":256}}\n\n'
)


def play(exchange: Exchange) -> None:
    exchange.send(STREAM, EVENTS)
    exchange.until_closed()


def fail_at(failing: str, handled: list[str], error: type[BaseException] = KeyError) -> Callable[[Event], None]:
    def handle(event: Event) -> None:
        if event.id == failing:
            raise error(failing)
        handled.append(event.id)

    return handle


def test_a_feed_ends_when_its_handler_fails_and_keeps_its_cursor() -> None:
    cursor, handled = MemoryCursor(), list[str]()
    with scripted_server(play) as url, Client(url) as client:
        feed = client.feed(cursor=cursor)
        with pytest.raises(KeyError):
            feed.run(fail_at("3.c", handled))

        feed.run(lambda event: handled.append(event.id))

    assert (handled, cursor.cursor) == (["2.b"], "2.b")


def test_so_does_a_feed_of_asyncio() -> None:
    cursor, handled = MemoryCursor(), list[str]()

    async def follow(url: str) -> None:
        async with AsyncClient(url) as client:
            feed = client.feed(cursor=cursor)
            with pytest.raises(KeyError):
                await feed.run(fail_at("3.c", handled))

            await feed.run(lambda event: handled.append(event.id))

    with scripted_server(play) as url:
        asyncio.run(follow(url))

    assert (handled, cursor.cursor) == (["2.b"], "2.b")


@pytest.mark.parametrize(("error", "raised"), [(KeyError, HandlerFailed), (KeyboardInterrupt, KeyboardInterrupt)])
def test_a_consumer_that_runs_again_after_its_handler_failed_acknowledges_nothing_more(
    error: type[BaseException], raised: type[BaseException]
) -> None:
    acknowledged: list[bytes] = []

    def play(exchange: Exchange) -> None:
        if exchange.head.startswith(b"GET"):
            exchange.send(STREAM, HELD + EVENTS)
            exchange.until_closed()
        else:
            acknowledged.append(exchange.head)
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    with scripted_server(play) as url, Client(url) as client:
        consumer = client.consumer("orders")
        with pytest.raises(raised):
            consumer.run(fail_at("2.b", [], error))

        consumer.run(lambda event: None)

    assert acknowledged == []
