"""The jobs of a workspace (docs/protocol.md, "Jobs"). job_handle.py follows one."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, cast
from urllib.parse import quote

from .effects import Program
from .requests import AsyncRun, Requests, Run, document_of

Status = Literal["queued", "running", "completed", "failed", "cancelled", "aborted", "interrupted"]
ENDS = frozenset({"completed", "failed", "cancelled", "aborted", "interrupted"})


class Job(TypedDict):
    """A job. Times are RFC 3339; unknown values are None."""

    id: str
    kind: str
    project: str | None
    title: str | None
    payload: dict[str, Any] | None
    priority: int
    status: Status
    result: dict[str, Any] | None
    attempt: int
    max_attempts: int
    timeout_ms: int | None
    runner: str | None
    lease_expires_at: str | None
    created_by: str
    created_at: str
    started_at: str | None
    ended_at: str | None


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of jobs, the newest first. `head` is the newest event of the feed that it includes."""

    jobs: list[Job]
    next_cursor: str | None
    head: str


@dataclass(frozen=True, slots=True)
class JobRead:
    """A job with the newest event of its stream that it includes."""

    job: Job
    head: str


class JobRequests:
    """The requests, without IO."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def create(self, document: Mapping[str, object], idempotency_key: str | None) -> Program[Job]:
        """With a key, so that the request may be repeated."""
        response = yield from self._requests.send(
            "POST",
            "/api/jobs",
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
            document={name: value for name, value in document.items() if value is not None},
            repeat=True,
        )
        return cast(Job, document_of(response))

    def page(self, query: Mapping[str, object]) -> Program[JobPage]:
        response = yield from self._requests.send("GET", "/api/jobs", query=query, repeat=True)
        page = document_of(response)
        return JobPage(page["jobs"], page["next_cursor"], response.headers.get("x-sluice-head", ""))

    def read(self, job_id: str) -> Program[JobRead]:
        response = yield from self._requests.send("GET", job_path(job_id), repeat=True)
        return JobRead(cast(Job, document_of(response)), response.headers.get("x-sluice-head", ""))

    def cancel(self, job_id: str) -> Program[Job]:
        response = yield from self._requests.send("POST", f"{job_path(job_id)}/cancel", repeat=False)
        return cast(Job, document_of(response))


class Jobs:
    """`client.jobs`."""

    def __init__(self, requests: JobRequests, run: Run) -> None:
        self._requests = requests
        self._run = run

    def create(
        self,
        kind: str,
        *,
        id: str | None = None,
        project: str | None = None,
        title: str | None = None,
        payload: Mapping[str, Any] | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        timeout_ms: int | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queues a job: once, however often the request is repeated. The gateway has a default for each None."""
        new = _new(kind, id, project, title, payload, priority, max_attempts, timeout_ms)
        return self._run(self._requests.create(new, idempotency_key))

    def page(
        self,
        *,
        status: Status | None = None,
        kind: str | None = None,
        project: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> JobPage:
        """One page, the newest first."""
        query = {"status": status, "kind": kind, "project": project, "limit": limit, "cursor": cursor}
        return self._run(self._requests.page(query))

    def get(self, job_id: str) -> Job:
        """:raises Refused: 404, if there is none."""
        return self._run(self._requests.read(job_id)).job

    def cancel(self, job_id: str) -> Job:
        """:raises Refused: 409 `job-ended`."""
        return self._run(self._requests.cancel(job_id))


class AsyncJobs:
    """The same for asyncio."""

    def __init__(self, requests: JobRequests, run: AsyncRun) -> None:
        self._requests = requests
        self._run = run

    async def create(
        self,
        kind: str,
        *,
        id: str | None = None,
        project: str | None = None,
        title: str | None = None,
        payload: Mapping[str, Any] | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        timeout_ms: int | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queues a job: once, however often the request is repeated. The gateway has a default for each None."""
        new = _new(kind, id, project, title, payload, priority, max_attempts, timeout_ms)
        return await self._run(self._requests.create(new, idempotency_key))

    async def page(
        self,
        *,
        status: Status | None = None,
        kind: str | None = None,
        project: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> JobPage:
        """One page, the newest first."""
        query = {"status": status, "kind": kind, "project": project, "limit": limit, "cursor": cursor}
        return await self._run(self._requests.page(query))

    async def get(self, job_id: str) -> Job:
        """:raises Refused: 404, if there is none."""
        return (await self._run(self._requests.read(job_id))).job

    async def cancel(self, job_id: str) -> Job:
        """:raises Refused: 409 `job-ended`."""
        return await self._run(self._requests.cancel(job_id))


def _new(
    kind: str,
    id: str | None,
    project: str | None,
    title: str | None,
    payload: Mapping[str, Any] | None,
    priority: int | None,
    max_attempts: int | None,
    timeout_ms: int | None,
) -> dict[str, object]:
    return {
        "kind": kind,
        "id": id,
        "project": project,
        "title": title,
        "payload": payload,
        "priority": priority,
        "max_attempts": max_attempts,
        "timeout_ms": timeout_ms,
    }


def job_path(job_id: str) -> str:
    """The path of a job."""
    return f"/api/jobs/{quote(job_id, safe='')}"


def ends_job(event_type: str) -> bool:
    """Whether an event is the last one of its job."""
    return event_type.startswith("job.") and event_type[4:] in ENDS
