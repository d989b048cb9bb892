"""What a stream does when the machine has slept."""

import threading
import time

from sluice_client.effects import Request
from sluice_client.source import Hooks, SourceReader
from sluice_client.state import StreamOptions
from sluice_client.stream import Stream
from sluice_client.threads import StreamRunner
from sluice_client.wake import WakeDetector
from scripted_server import STREAM, Exchange, scripted_server

import httpx


def test_the_connection_of_before_is_left_and_a_wait_ends() -> None:
    """The first connection is silent when the machine sleeps; the second is refused, and it sleeps in the wait for the third."""
    asleep_s = [0.0]
    connections: list[int] = []

    def play(exchange: Exchange) -> None:
        connections.append(exchange.number)
        if exchange.number == 1:
            exchange.send(STREAM, b"id: 1\ndata: before\n\n")
            asleep_s[0] += 600
            exchange.until_closed()
        elif exchange.number == 3:
            exchange.send(STREAM, b"data: after\n\n")
            exchange.until_closed()

    wake = WakeDetector(lambda: time.time() + asleep_s[0], time.monotonic)
    waits = threading.Event()

    def show(state: object) -> None:
        if "waiting" in str(state):
            asleep_s[0] += 600
            waits.set()

    with scripted_server(play) as url, httpx.Client() as http:
        reader = SourceReader(Request("GET", url), "", Hooks())
        stream = Stream(reader, StreamOptions(retry_s=600, max_s=600), show, wake)
        runner = StreamRunner(http, stream.run())

        assert [runner.next().data, runner.next().data] == ["before", "after"]
        runner.end()

    assert connections == [1, 2, 3]
    assert waits.is_set()
