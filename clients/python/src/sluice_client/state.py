"""The options of a stream, and its state for display."""

from dataclasses import dataclass
from typing import Literal

from .backoff import DEFAULT_MAX_S, DEFAULT_RETRY_S, LONGEST_S
from .parser import MAX_EVENT_BYTES


@dataclass(frozen=True, slots=True)
class State:
    """What a stream does now, for display.

    name: see the head of stream.py.
    retry_in_s: with "waiting", the seconds until the next connection.
    failures: how many connections in a row have failed.
    cause: why it waits or has ended; None after a normal end.
    """

    name: Literal["connecting", "live", "waiting", "ended"]
    retry_in_s: float = 0.0
    failures: int = 0
    cause: Exception | None = None


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """The times and limits of a stream, in seconds and bytes.

    retry_s: the first delay until the server sends `retry`.
    max_s: the longest delay between two connections.
    longest_s: the cap of what a server asks for by `retry` or Retry-After.
    silence_s: a connection without a byte for this long is dead. The gateway sends a heartbeat every 30 s.
    connect_s: the time to connect.
    max_event_bytes: a larger event ends the stream with EventTooLarge.
    """

    retry_s: float = DEFAULT_RETRY_S
    max_s: float = DEFAULT_MAX_S
    longest_s: float = LONGEST_S
    silence_s: float = 65.0
    connect_s: float = 10.0
    max_event_bytes: int = MAX_EVENT_BYTES
