"""How long a client waits before it connects again, without IO."""

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

DEFAULT_RETRY_S = 1.0
"""Until the server has sent `retry`."""
DEFAULT_MAX_S = 30.0
LONGEST_S = 300.0
"""The default cap of `retry` and of Retry-After."""
LEAST_S = 0.01
"""Keeps a `retry` of 0 from becoming a busy loop."""


class Backoff:
    """Delays that begin with `retry`, double with each failure up to `max_s`, and differ between clients.

    A delay is never shorter than `retry`, and never longer than `max_s`, unless `retry` is longer than two thirds of
    it. A server's Retry-After is a least delay. `longest_s` caps what a server asks for; up to half as much again is
    added. `restart` begins anew.
    """

    def __init__(
        self,
        retry_s: float = DEFAULT_RETRY_S,
        max_s: float = DEFAULT_MAX_S,
        longest_s: float = LONGEST_S,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.last_s = 0.0
        self.longest_s = longest_s
        self._retry_s = max(LEAST_S, retry_s)
        self._max_s = max_s
        self._chance = chance
        self._failures = 0

    def hear_retry(self, milliseconds: int) -> None:
        """The server's `retry`: the first delay from now on."""
        self._retry_s = max(LEAST_S, min(milliseconds / 1000, self.longest_s))

    def restart(self) -> None:
        """The connection was a good one: the next delay is a first one."""
        self._failures = 0

    def next(self, at_least_s: float = 0.0) -> float:
        """The seconds until the next connection."""
        doubled = self._retry_s * 2.0 ** min(self._failures + 1, 30)
        self._failures += 1
        high = max(min(doubled, self._max_s), self._retry_s * 1.5)
        low = max(self._retry_s, high / 2)
        chance = self._chance()
        asked = min(at_least_s, self.longest_s) * (1 + chance / 2)
        self.last_s = max(low + (high - low) * chance, asked)
        return self.last_s


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime] | None = None) -> float:
    """The seconds that Retry-After names, as a number or a date (RFC 9110, section 10.2.3); 0 if it names none."""
    value = headers.get("retry-after", "").strip()[:64]
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    seconds = (date - (now() if now else datetime.now(timezone.utc))).total_seconds()
    return max(0.0, seconds)
