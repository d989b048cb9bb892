"""Failures of single requests, and of addresses."""

import pytest

from sluice_client import Client, EventSource, GaveUp, ProtocolError, SluiceError
from scripted_server import Exchange, scripted_server


def test_a_request_waits_for_a_login_that_is_away() -> None:
    calls: list[str] = []

    def token() -> str:
        calls.append("call")
        if len(calls) == 1:
            raise ConnectionError("no network yet")
        return "t"

    def play(exchange: Exchange) -> None:
        exchange.send(b'HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r\n{"ticket":"k"}')

    with scripted_server(play) as url, Client(url, token=token) as client:
        assert client.ticket() == "k"
    assert len(calls) == 2


def test_a_request_gives_up_on_a_login_that_stays_away() -> None:
    def away() -> str:
        raise ConnectionError("no network")

    with Client("http://127.0.0.1:9", token=away, give_up_s=0) as client:
        with pytest.raises(GaveUp, match="no network"):
            client.ticket()


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "localhost:8080", "ftp://h", "http://", "http://[", "http://h?a=b", ""])
def test_an_address_of_no_gateway_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="such as http://127.0.0.1:8080"):
        Client(url)


@pytest.mark.parametrize("location", ["http://[", "http://127.0.0.1:99999/"])
def test_a_redirect_to_no_address_is_an_error_of_the_protocol(location: str) -> None:
    def play(exchange: Exchange) -> None:
        exchange.send(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())

    with scripted_server(play) as url, EventSource(url) as source:
        with pytest.raises(ProtocolError) as error:
            next(source)
    assert isinstance(error.value, SluiceError)
    assert error.value.code == "redirect"
