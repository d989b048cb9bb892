"""Publishing, with an idempotency key that makes a repetition safe; the logic, without IO."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .effects import Program
from .requests import Requests, document_of


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to publish. `data` is a JSON object of at most 262,144 bytes."""

    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """An event that is stored. `at` is RFC 3339."""

    id: str
    position: int
    at: str
    event_id: str


def publish(
    requests: Requests,
    events: Sequence[NewEvent],
    *,
    stream: str | None,
    idempotency_key: str | None,
    expected_head: str | None,
) -> Program[list[Receipt]]:
    """Stores all events or none. Without a key of the caller it makes one, so that the request may be repeated."""
    if not events:
        return []
    response = yield from requests.send(
        "POST",
        "/api/events",
        query={"stream": stream, "expected_head": expected_head},
        headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
        document=[{"type": event.type, "data": event.data} for event in events],
        repeat=True,
    )
    return [Receipt(**receipt) for receipt in document_of(response)["events"]]
