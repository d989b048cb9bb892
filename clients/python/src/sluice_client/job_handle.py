"""One job that a client follows to its end."""

import asyncio
import threading

import httpx

from . import tasks, threads
from .cursors import MemoryCursor
from .events import Event, Reset
from .feed import FeedOptions, FeedReader
from .feeds import AsyncFeed, Feed
from .jobs import ENDS, Job, JobRequests, ends_job, job_path
from .requests import Requests
from .state import StreamOptions


class JobHandle:
    """`client.job(id)`."""

    def __init__(self, job_id: str, requests: Requests, http: httpx.Client, streams: httpx.Client) -> None:
        self.id = job_id
        self._requests = requests
        self._http = http
        self._streams = streams

    def get(self) -> Job:
        """The job as it is now."""
        return threads.run(self._http, JobRequests(self._requests).read(self.id)).job

    def cancel(self) -> Job:
        """:raises Refused: 409 `job-ended`."""
        return threads.run(self._http, JobRequests(self._requests).cancel(self.id))

    def events(self, options: StreamOptions = StreamOptions()) -> Feed:
        """Its events from the beginning, such as `output`; iteration ends with the job."""
        return self._feed(FeedOptions(is_last=ends_job), options)

    def result(self, timeout_s: float | None = None) -> Job:
        """Waits for the end of the job and returns it as it is then: see its `status` and `result`.

        :raises TimeoutError: it has not ended in time; it goes on.
        """
        over = threading.Event()
        current: list[Feed] = []

        def give_up() -> None:
            over.set()
            for feed in current:
                feed.close()

        timer = threading.Timer(timeout_s, give_up) if timeout_s is not None else None
        if timer:
            timer.daemon = True
            timer.start()
        try:
            while True:
                read = threads.run(self._http, JobRequests(self._requests).read(self.id))
                if read.job["status"] in ENDS:
                    return read.job
                # After a reset the state is read again.
                given = FeedOptions(MemoryCursor(read.head), reload=lambda reset: _close(feed, reset), is_last=ends_job)
                with self._feed(given, StreamOptions()) as feed:
                    current[:] = [feed]
                    if not over.is_set():
                        feed.run(_ignore)
                if over.is_set():
                    raise TimeoutError(f"The job {self.id} has not ended within {timeout_s:g} s.")
        finally:
            if timer:
                timer.cancel()

    def _feed(self, given: FeedOptions, options: StreamOptions) -> Feed:
        path = f"{job_path(self.id)}/events"
        return Feed(self._streams, FeedReader(self._requests, path, {}, given), options)


class AsyncJobHandle:
    """The same for asyncio."""

    def __init__(self, job_id: str, requests: Requests, http: httpx.AsyncClient, streams: httpx.AsyncClient) -> None:
        self.id = job_id
        self._requests = requests
        self._http = http
        self._streams = streams

    async def get(self) -> Job:
        """The job as it is now."""
        return (await tasks.run(self._http, JobRequests(self._requests).read(self.id))).job

    async def cancel(self) -> Job:
        """:raises Refused: 409 `job-ended`."""
        return await tasks.run(self._http, JobRequests(self._requests).cancel(self.id))

    def events(self, options: StreamOptions = StreamOptions()) -> AsyncFeed:
        """Its events from the beginning, such as `output`; iteration ends with the job."""
        return self._feed(FeedOptions(is_last=ends_job), options)

    async def result(self, timeout_s: float | None = None) -> Job:
        """Waits for the end of the job and returns it as it is then: see its `status` and `result`.

        :raises TimeoutError: it has not ended in time; it goes on.
        """
        waiting = asyncio.ensure_future(self._result())
        try:
            await asyncio.wait([waiting], timeout=timeout_s)
            if waiting.done():
                return waiting.result()
            raise TimeoutError(f"The job {self.id} has not ended within {timeout_s} s.")
        finally:
            waiting.cancel()
            await asyncio.wait([waiting])

    async def _result(self) -> Job:
        while True:
            read = await tasks.run(self._http, JobRequests(self._requests).read(self.id))
            if read.job["status"] in ENDS:
                return read.job
            given = FeedOptions(MemoryCursor(read.head), reload=lambda reset: _close(feed, reset), is_last=ends_job)
            async with self._feed(given, StreamOptions()) as feed:
                await feed.run(_ignore)

    def _feed(self, given: FeedOptions, options: StreamOptions) -> AsyncFeed:
        path = f"{job_path(self.id)}/events"
        return AsyncFeed(self._streams, FeedReader(self._requests, path, {}, given), options)


def _ignore(_: Event) -> None:
    pass


def _close(feed: Feed | AsyncFeed, _: Reset) -> None:
    feed.close()
