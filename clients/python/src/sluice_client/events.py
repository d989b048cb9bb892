"""Events, notices and resets of a feed. catalogue.py has a class for each built-in type, generated from the gateway's schemas."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import ProtocolError
from .parser import Block


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the log.

    id: opaque; what a cursor store keeps.
    data: a JSON object. Whole numbers of less than 4,300 digits keep all of them; `text` has every digit.
    text: the JSON as it was sent: the data, or with `envelope=True` the whole document.
    position, at, event_id, traceparent: only with `envelope=True`. `at` is RFC 3339; `time` is the same as a datetime.

    An event of a built-in type is an instance of the class of that type, such as ItemCreated, whose data has the members
    of the catalogue. If its data was redacted, or is of another shape, it is a plain Event.
    """

    id: str
    type: str
    data: Mapping[str, Any]
    text: str = ""
    position: int | None = None
    at: str | None = None
    event_id: str | None = None
    traceparent: str | None = None

    @property
    def time(self) -> datetime | None:
        """When the event was stored, with its time zone."""
        return datetime.fromisoformat(self.at.replace("Z", "+00:00")) if self.at else None

    @property
    def redacted(self) -> bool:
        """Whether an admin has erased its data."""
        return self.data.get("redacted") is True and isinstance(self.data.get("reason"), str)


@dataclass(frozen=True, slots=True)
class Notice:
    """A message of the gateway about the stream, such as `heartbeat`. `id` is the cursor, "" if there is none yet."""

    id: str
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reset:
    """Events between the client's cursor and `head` are missing. `head` is the new cursor.

    reason: "retention", "history-lost", "unknown-id" or "deleted".
    earliest: the id before the oldest event that is still stored.
    """

    reason: str
    head: str
    earliest: str


NOTICES = frozenset(
    {
        "server.state",
        "heartbeat",
        "reset",
        "unavailable",
        "error",
        "cursor",
        "snapshot",
        "auth-expired",
        "auth-renewed",
        "auth-revoked",
    }
)


def read_block(block: Block, cursor: str, types: Mapping[str, type[Event]]) -> Event | Notice:
    """The event or notice of a block with data, in any form but CloudEvents.

    cursor: the id up to and with this block.
    types: the classes of built-in events.
    :raises ProtocolError: the data is no JSON object.
    """
    text = block.data or ""
    if block.event != "message":
        return _of(block.event, cursor, _json(text, block.event), text, types, {})
    document = _json(text, "message")
    kind, data = document.get("type"), document.get("data")
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise ProtocolError(f"Expected the document of an event in an unnamed message, got {text[:200]}.")
    envelope = {name: document.get(name) for name in ("position", "at", "event_id", "traceparent")}
    return _of(kind, cursor, data, text, types, envelope)


def _of(
    kind: str,
    cursor: str,
    data: Mapping[str, Any],
    text: str,
    types: Mapping[str, type[Event]],
    envelope: Mapping[str, Any],
) -> Event | Notice:
    if kind in NOTICES and envelope.get("position") is None:
        return Notice(cursor, kind, data)
    made = types.get(kind, Event)
    if made is not Event and not required(made) <= data.keys():
        made = Event
    return made(cursor, kind, data, text, **envelope)


def required(made: type[Event]) -> frozenset[str]:
    """The members that the data of a built-in event always has."""
    return getattr(made, "REQUIRED", frozenset())


def _json(text: str, kind: str) -> Mapping[str, Any]:
    try:
        data = _loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"The data of the event {kind[:100]} is no JSON: {text[:200]}") from error
    if not isinstance(data, dict):
        raise ProtocolError(f"The data of the event {kind[:100]} is no JSON object: {text[:200]}")
    return data


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # A whole number of more than 4,300 digits (sys.set_int_max_str_digits), such as an application may publish.
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 4_300 else float(digits))
