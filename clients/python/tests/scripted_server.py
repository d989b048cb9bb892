"""A server whose connections a test plays by hand. It listens on a free port of the loopback."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 30.0
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
"""A response without length: it ends with its connection."""

Play = Callable[["Exchange"], None]


class Exchange:
    """One request of a client."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.number = number
        self._connection = connection
        connection.settimeout(PATIENCE_S)
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            data = connection.recv(65_536)
            if not data:
                break
            self.head += data

    def header(self, name: str) -> str | None:
        for line in self.head.decode().split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name:
                return value
        return None

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self._connection.sendall(part)

    def until_closed(self) -> None:
        """Returns when the client has closed its side; raises TimeoutError if it does not."""
        try:
            while self._connection.recv(65_536):
                pass
        except ConnectionError:
            pass


@contextmanager
def scripted_server(play: Play) -> Iterator[str]:
    """Plays each connection in a thread, and closes it when `play` returns."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket, number: int) -> None:
        with connection:
            try:
                play(Exchange(connection, number))
            except OSError:
                pass

    def accept() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            number += 1
            threads.append(threading.Thread(target=serve, args=(connection, number), daemon=True))
            threads[-1].start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        # Without this, `accept` keeps the socket in use.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
