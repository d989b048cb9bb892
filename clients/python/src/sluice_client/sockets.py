"""Ends a blocking read in another thread, by shutting down its socket."""

import socket
from typing import Any


class SocketOf:
    """The socket of one request. httpcore names it as soon as it is connected, by its `trace` extension."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._is_shut = False

    def trace(self, name: str, info: dict[str, Any]) -> None:
        """The hook of httpcore."""
        if name.endswith(("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")):
            self.hold(info.get("return_value"))

    def hold(self, stream: Any) -> None:
        """Takes the socket of a network stream of httpcore."""
        found = stream.get_extra_info("socket") if hasattr(stream, "get_extra_info") else None
        if isinstance(found, socket.socket):
            self._socket = found
            if self._is_shut:
                self.shut()

    def shut(self) -> None:
        """Makes the read return. Twice is fine."""
        self._is_shut = True
        if self._socket is None:
            return
        try:
            # Not the method of an SSLSocket, which would take the state of TLS from the thread that reads.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            pass
