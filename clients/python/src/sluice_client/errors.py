"""The errors that the client raises. All are SluiceError; network errors of a feed are not raised but retried."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .events import Event, Reset


class SluiceError(Exception):
    """The parent of all errors of this package."""


class Refused(SluiceError):
    """The gateway refuses, and would refuse the same request again.

    status: the HTTP status; 401 if the gateway ended a stream because its credentials expired or were revoked.
    code: the stable code of the problem, such as "role-too-low"; "" if the response was no problem document.
    detail: what happened and what to do, in English.
    problem: the whole document (docs/protocol.md, "Problems").
    """

    def __init__(self, status: int, code: str, detail: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}" if code else f"{status}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.problem: Mapping[str, Any] = problem or {}

    @classmethod
    def from_body(cls, status: int, body: bytes) -> "Refused":
        """Reads a problem document; a body of another kind gives a detail of its first characters."""
        problem = _problem_of(body)
        detail = str(problem.get("detail") or problem.get("title") or _excerpt(body) or "The response has no body.")
        return cls(status, str(problem.get("code", "")), detail, problem)


class TakenOver(Refused):
    """Another client has the consumer now.

    code: "taken-over" if the stream or an acknowledgement said so; "consumer-held" or "consumer-lost" if the gateway refused
      the stream.
    """


class HandlerFailed(SluiceError):
    """The handler of a consumer raised an error, its `__cause__`. `event` is not acknowledged: the gateway hands it out again."""

    def __init__(self, event: "Event") -> None:
        super().__init__(f"The handler failed at the event {event.id}.")
        self.event = event


class ProtocolError(SluiceError):
    """The response is not what a stream, or the gateway, sends. The address is probably not that of a gateway.

    code: "content-type", "event-too-large", "redirect", or "" for other faults.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class EventTooLarge(ProtocolError):
    """An event exceeds `max_event_bytes`."""

    def __init__(self, max_event_bytes: int) -> None:
        super().__init__(
            f"The stream has an event of more than {max_event_bytes} bytes. Raise max_event_bytes, or filter it out.",
            "event-too-large",
        )
        self.max_event_bytes = max_event_bytes


class GaveUp(SluiceError):
    """A request was repeated until its time was over. `__cause__` is the last failure."""


class Unreachable(SluiceError):
    """There was no response: the network, the name or the gateway is away."""


class NotRefreshed(SluiceError):
    """The function for new credentials failed with an OSError or an error of httpx, its `__cause__`. The client tries again."""


class Overloaded(SluiceError):
    """A response that says "later": 408, 425, 429 or 5xx. `problem` as in Refused; `retry_after_s`: see backoff.py."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float = 0.0) -> None:
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail', 'The gateway cannot serve now.')}")
        self.status = status
        self.problem = problem
        self.retry_after_s = retry_after_s

    @classmethod
    def from_body(cls, status: int, body: bytes, retry_after_s: float = 0.0) -> "Overloaded":
        """Reads a problem document, or nothing."""
        return cls(status, _problem_of(body), retry_after_s)


class EventsMissing(SluiceError):
    """The gateway sent `reset`, and the feed has no `reload`: events between the cursor and `reset.head` are missing."""

    def __init__(self, reset: "Reset") -> None:
        super().__init__(
            f"Events are missing ({reset.reason}). Pass reload= to load the state anew, or continue from reset.head."
        )
        self.reset = reset


def _problem_of(body: bytes) -> Mapping[str, Any]:
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return problem if isinstance(problem, dict) else {}


def _excerpt(body: bytes) -> str:
    return " ".join(body[:2_000].decode("utf-8", "replace").split())[:200]
