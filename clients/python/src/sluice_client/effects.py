"""The requests of the client's logic to its driver.

The logic is written once, as generators that yield an effect and get back its reply: `Program`. threads.py performs
the effects with blocking calls, tasks.py with asyncio. No other file does IO, sleeps or calls the application.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Program = Generator["Effect[Any]", Any, T]


class Effect(Generic[T]):
    """Something to do, whose reply is a T."""

    __slots__ = ()


def perform(effect: Effect[T]) -> Program[T]:
    """`reply = yield from perform(effect)`, with the type of the reply."""
    reply: T = yield effect
    return reply


@dataclass(frozen=True, slots=True)
class Request:
    """A request of HTTP. `url` is absolute."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response. The names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """The head of a response."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """The response is over, as the server meant it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The connection failed, or there was none. `is_final`: it would fail again, such as for an invalid URL."""

    error: Exception
    is_final: bool = False


Signal = Opened | bytes | Ended | Failed


@dataclass(frozen=True, slots=True)
class Open(Effect[None]):
    """Starts a request whose response is read in the background, one piece at a time; ends the one before."""

    request: Request
    connect_s: float


@dataclass(frozen=True, slots=True)
class Pull(Effect[Signal | None]):
    """The next signal of the open response; None after `timeout_s` without one, or when `interrupt` was called."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Shut(Effect[None]):
    """Ends the open response, if there is one."""


@dataclass(frozen=True, slots=True)
class Wait(Effect[None]):
    """Lets time pass; shorter when `interrupt` was called."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Send(Effect[Response | Failed]):
    """Sends a request and reads its whole response."""

    request: Request


@dataclass(frozen=True, slots=True)
class Call(Effect[Any]):
    """Calls the application. With asyncio, an awaitable result is awaited."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Deliver(Effect[None]):
    """Hands the application the next item of an iteration. The reply comes when it asks for another one."""

    item: Any
