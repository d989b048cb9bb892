"""How often the client renews the credentials of an open stream."""

import threading
import time
from itertools import count

from sluice_client import Client, Token
from scripted_server import PATIENCE_S, STREAM, Exchange, scripted_server

STATE = b'id: 1.a\nevent: server.state\ndata: {"mode":"normal","connection":"c"}\n\n'


def test_a_clock_that_is_ahead_does_not_renew_without_a_pause() -> None:
    """Every token seems to have expired."""
    renewals = [threading.Event(), threading.Event()]

    def play(exchange: Exchange) -> None:
        if exchange.head.startswith(b"POST"):
            exchange.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            renewals[renewals[0].is_set()].set()
            return
        exchange.send(STREAM, STATE)
        renewals[0].wait(PATIENCE_S)
        exchange.send(b"event: auth-renewed\ndata: {}\n\n")
        # With a second renewal it ends at once.
        renewals[1].wait(0.5)
        exchange.send(b"id: 2.b\nevent: made\ndata: {}\n\n")
        exchange.until_closed()

    numbers = count()

    def token() -> Token:
        n = next(numbers)
        return Token(f"t{n}", time.time() - 3_600 + n)

    with scripted_server(play) as url, Client(url, token=token) as client, client.feed() as feed:
        assert next(feed).id == "2.b"

    assert [renewal.is_set() for renewal in renewals] == [True, False]
