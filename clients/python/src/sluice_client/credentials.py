"""The credentials of a client: given once, or by a function that gets new ones; the logic, without IO."""

import base64
import json
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import httpx

from .effects import Call, Program, perform
from .errors import NotRefreshed


@dataclass(frozen=True, slots=True)
class Token:
    """A token with its end, if the text does not tell it. `expires_at` is in seconds since 1970."""

    value: str
    expires_at: float | None = None


Given = str | Token
Source = Given | Callable[[], Given | Awaitable[Given]]


class Credentials:
    """Holds the newest credentials of a client.

    token: a JWT or an API key, or a function that returns one, which may be async with AsyncClient. The client calls
      it before the first request, before the token expires, and once after each 401.
    ticket: a ticket, or a function that returns one. It opens streams only; a function is called for each connection.
    """

    def __init__(self, token: Source | None = None, ticket: Source | None = None) -> None:
        if token is not None and ticket is not None:
            raise ValueError("Pass a token or a ticket, not both: the gateway refuses two credentials.")
        self._source = token if token is not None else ticket
        self.is_ticket = ticket is not None
        self._current = None if callable(self._source) else _token(self._source)
        self._since = time.time()

    @property
    def can_refresh(self) -> bool:
        return callable(self._source)

    @property
    def value(self) -> str:
        """The text that is sent; "" if there is none."""
        return self._current.value if self._current else ""

    @property
    def expires_at(self) -> float | None:
        """Seconds since 1970; None if that cannot be seen."""
        return self._current.expires_at if self._current else None

    def due_in_s(self, early_s: float) -> float:
        """The seconds until it is time to get new ones: `early_s` before their end, or at four fifths of a shorter life."""
        if self.expires_at is None:
            return math.inf
        early = min(early_s, max(0.0, self.expires_at - self._since) / 5)
        return self.expires_at - early - time.time()

    def before_request(self, early_s: float) -> Program[None]:
        """Makes sure that there are credentials which have not expired, as far as that can be seen."""
        if self.can_refresh and (self._current is None or self.is_ticket or self.due_in_s(early_s) <= 0):
            yield from self.refresh()

    def refresh(self) -> Program[None]:
        """Gets new ones from the function.

        :raises NotRefreshed: it failed for now. Any other error that it raises reaches the application.
        """
        if callable(self._source):
            try:
                given = yield from perform(Call(self._source))
            except (OSError, httpx.TransportError) as error:
                raise NotRefreshed(f"There are no new credentials: {error}") from error
            self._current = _token(given)
            self._since = time.time()

    def header(self) -> dict[str, str]:
        """The header of a request."""
        return {"Authorization": f"Bearer {self.value}"} if self.value and not self.is_ticket else {}


def _token(given: Given | None) -> Token | None:
    if given is None:
        return None
    token = given if isinstance(given, Token) else Token(given, _end_of(given))
    # A token from a file ends with a line feed, and httpx would show the token in its error.
    return replace(token, value=token.value.strip())


def _end_of(token: str) -> float | None:
    """The `exp` of a JWT, which is not verified; None for any other text."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
