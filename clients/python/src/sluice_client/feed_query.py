"""The parameters of a feed, as a query of the gateway."""

from collections.abc import Sequence
from datetime import datetime, timezone


def feed_query(
    *,
    stream: str | None,
    types: Sequence[str] | None,
    where: str | None,
    start: str | datetime | None,
    last: int | None,
    envelope: bool,
) -> dict[str, object]:
    """Members that are None are left out of the URL.

    :raises ValueError: `types` is a text, or both `start` and `last` are given.
    """
    if isinstance(types, str):
        raise ValueError('Pass types as a list, such as ["item.*"].')
    if start is not None and last is not None:
        raise ValueError("Pass start or last, not both.")
    return {
        "stream": stream,
        "types": ",".join(types) if types else None,
        "where": where,
        "from": _time(start) if isinstance(start, datetime) else start,
        "last": last,
        "envelope": "message" if envelope else None,
    }


def _time(start: datetime) -> str:
    if start.tzinfo is None:
        raise ValueError("The time of start needs a time zone, such as timezone.utc.")
    return start.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
