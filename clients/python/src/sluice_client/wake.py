"""Notices that the machine slept, without IO."""

import time
from collections.abc import Callable

SLEPT_S = 15.0
"""A jump of the clock, or a delay, that has no other cause."""


class WakeDetector:
    """Call `before` a wait and `slept` after it.

    The monotonic clock stands still while a machine sleeps (Linux, macOS), so the wall clock gets ahead of it, whatever
    the program did meanwhile. On Windows both go on, but then a wait of a second takes minutes. A clock that somebody
    sets looks like a sleep too, which costs one connection.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._ahead = wall() - monotonic()
        self._began = monotonic()

    def before(self) -> None:
        """A wait begins."""
        self._began = self._monotonic()

    def slept(self, meant_s: float) -> bool:
        """Whether the machine has slept since the last call. The wait was meant to take `meant_s` at most."""
        now = self._monotonic()
        ahead, self._ahead = self._ahead, self._wall() - now
        return self._ahead - ahead > SLEPT_S or now - self._began - meant_s > SLEPT_S
