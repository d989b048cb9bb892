"""What the panel says: the line of a change, how long ago it was, and the state of the connection."""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import httpx
from sluice_client import Overloaded, State

from .history import GAP

FILTERS: dict[str, tuple[str, ...]] = {
    "All changes": ("",),
    "Items": ("item.",),
    "Revisions": ("revision.",),
    "Jobs": ("job.",),
    "Other": (),
}
"""The prefixes of the types that each choice shows; "Other" has none of the others."""
LONGEST_LINE = 200


def is_shown(choice: str, type: str) -> bool:
    """Whether a change is in the list with this choice of the filter. A gap always is."""
    known = ("item.", "revision.", "job.")
    return type == GAP or (not type.startswith(known) if choice == "Other" else type.startswith(FILTERS[choice]))


def icon_of(type: str) -> str:
    """The name of the icon of a type of change."""
    if type in ("item.created", "item.updated", "item.deleted", GAP):
        return type.rpartition(".")[2]
    prefix = type.partition(".")[0]
    return prefix if prefix in ("revision", "job") else "other"


def subject_of(data: Mapping[str, Any]) -> str:
    """The part or job that a change is about."""
    return str(data.get("part_number") or data.get("title") or data.get("job_id") or "")


def text_of(type: str, data: Mapping[str, Any], descriptions: Mapping[str, str]) -> str:
    """A change in words. It is other people's text: show it as text, never as markup."""
    match type:
        case "item.created":
            text = f"created: {data.get('description', '')}"
        case "item.updated":
            text = f"changed, revision {data.get('revision')}: {descriptions.get(subject_of(data), '')}"
        case "item.deleted":
            text = "deleted"
        case "revision.created":
            text = f"revision {data.get('revision_number')} released: {data.get('comment', '')}"
        case "gap":
            text = f"Changes are missing here ({data.get('reason')}). The items were loaded again."
        case _ if type.startswith("job."):
            text = f"job {type.removeprefix('job.')}"
        case _:
            text = f"{type} {json.dumps(data, ensure_ascii=False)}"
    return " ".join(text.rstrip(": ").split())[:LONGEST_LINE]


def ago(at: str | None, now: datetime) -> str:
    """How long ago a time was, in one word or two."""
    if not at:
        return ""
    seconds = (now - datetime.fromisoformat(at.replace("Z", "+00:00"))).total_seconds()
    if seconds < 10:
        return "now"
    for unit, length in (("s", 60), ("min", 60), ("h", 24)):
        if seconds < length:
            return f"{int(seconds)} {unit}"
        seconds /= length
    return f"{int(seconds)} d"


def state_text(state: State, refusal: str | None, left_s: float) -> tuple[str, str, str]:
    """The connection in words, the colour of its lamp, and the reason if there is one to tell."""
    if refusal:
        return "Refused", "#c0392b", refusal
    if state.name == "connecting":
        return "Connecting…", "#d68910", ""
    if state.name == "live":
        return "Live", "#1e8449", ""
    if state.name == "ended":
        return "Ended", "#7f8c8d", ""
    seconds = f"{max(0, round(left_s))} s"
    # A first failure is what a restart of the gateway looks like.
    away = isinstance(state.cause, (httpx.TransportError, OSError)) and state.failures > 1
    if away:
        return f"Offline, next try in {seconds}", "#7f8c8d", ""
    why = str(state.cause.problem.get("detail", "")) if isinstance(state.cause, Overloaded) else ""
    return f"Reconnecting in {seconds}", "#d68910", why


def utc_now() -> datetime:
    return datetime.now(timezone.utc)
