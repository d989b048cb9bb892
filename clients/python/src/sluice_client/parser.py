"""The parser of a stream of Server-Sent Events (WHATWG HTML, section 9.2.6), without IO.

It costs linear time, however the bytes are split, and holds at most one event of `max_event_bytes`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import EventTooLarge

MAX_EVENT_BYTES = 16 * 2**20
"""The default limit of one event, in bytes."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_DIGITS = re.compile(rb"[0-9]+")
_MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of a stream up to a blank line.

    id: the id that the block carries; None if it carries none. "" resets the last event id.
    event: the name of the event; "message" if the block has none.
    data: None if the block has no data: then it is no event.
    """

    id: str | None
    event: str
    data: str | None


@dataclass(frozen=True, slots=True)
class Comment:
    """A line that begins with a colon."""

    text: str


class Parser:
    """Takes the bytes of one response. `retry_ms` is the newest valid `retry`, in milliseconds; None before the first."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.retry_ms: int | None = None
        self._max_bytes = max_event_bytes
        self._line: list[bytes] = []
        self._line_bytes = 0
        self._skip_line_feed = False
        self._at_start = True
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._event = b""
        self._id: str | None = None

    def feed(self, chunk: bytes) -> Iterator[Block | Comment]:
        """Yields what these bytes complete. Consume it before the next call.

        :raises EventTooLarge: when an event, or a line, exceeds the limit. The parser is of no use after that.
        """
        if self._skip_line_feed and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._skip_line_feed = False
        if not chunk:
            return
        # A carriage return ends its line at once; a line feed that follows belongs to it.
        self._skip_line_feed = chunk.endswith(b"\r")
        *ended, rest = _LINE_END.split(chunk)
        for line in ended:
            if self._line:
                line = b"".join([*self._line, line])
                self._line.clear()
                self._line_bytes = 0
            yield from self._take(line)
        if rest:
            self._line.append(rest)
            self._line_bytes += len(rest)
            self._check(self._line_bytes)

    def _take(self, line: bytes) -> Iterator[Block | Comment]:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            yield from self._dispatch()
            return
        self._check(len(line))
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not name:
            yield Comment(_text(value))
        elif name == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 1
        elif name == b"event":
            self._event = value
        elif name == b"id":
            if b"\0" not in value:
                self._id = _text(value)
        elif name == b"retry" and _DIGITS.fullmatch(value):
            # int() costs quadratic time.
            self.retry_ms = int(value) if len(value) <= _MOST_DIGITS else 10**_MOST_DIGITS

    def _dispatch(self) -> Iterator[Block]:
        if self._data or self._id is not None:
            data = _text(b"\n".join(self._data)) if self._data else None
            yield Block(id=self._id, event=_text(self._event) or "message", data=data)
        self._data.clear()
        self._data_bytes = 0
        self._event = b""
        self._id = None

    def _check(self, line_bytes: int) -> None:
        if self._data_bytes + line_bytes > self._max_bytes:
            raise EventTooLarge(self._max_bytes)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
