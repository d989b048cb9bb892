"""The client of Sluice, an event gateway on Postgres: streams that miss nothing, publishing, items and jobs.

    from sluice_client import Client, FileCursor

    with Client("https://sluice.example.com", token=get_token) as client:
        for event in client.feed(types=["item.*"], cursor=FileCursor("feed.cursor")):
            print(event.type, event.data)
"""

from . import catalogue
from .async_client import AsyncClient
from .catalogue import *  # noqa: F403 - a class for each built-in event
from .client import Client
from .consumers import Acknowledged, ConsumerDocument, Holder, Lag
from .credentials import Token
from .cursors import CursorStore, FileCursor, MemoryCursor, SQLiteCursor
from .errors import (
    EventsMissing,
    EventTooLarge,
    GaveUp,
    HandlerFailed,
    NotRefreshed,
    Overloaded,
    ProtocolError,
    Refused,
    SluiceError,
    TakenOver,
    Unreachable,
)
from .events import Event, Notice, Reset
from .feeds import AsyncFeed, Feed
from .following import AsyncConsumer, Consumer
from .items import Item, ItemPage, Revision
from .job_handle import AsyncJobHandle, JobHandle
from .jobs import Job, JobPage
from .publishing import NewEvent, Receipt
from .source import AsyncEventSource, EventSource, Hooks, ServerSentEvent
from .state import State, StreamOptions

__all__ = [
    "Acknowledged",
    "AsyncClient",
    "AsyncConsumer",
    "AsyncEventSource",
    "AsyncFeed",
    "AsyncJobHandle",
    "Client",
    "Consumer",
    "ConsumerDocument",
    "CursorStore",
    "Event",
    "EventsMissing",
    "EventSource",
    "EventTooLarge",
    "Feed",
    "FileCursor",
    "GaveUp",
    "HandlerFailed",
    "Holder",
    "Hooks",
    "Item",
    "ItemPage",
    "Job",
    "JobHandle",
    "JobPage",
    "Lag",
    "MemoryCursor",
    "NewEvent",
    "Notice",
    "NotRefreshed",
    "Overloaded",
    "ProtocolError",
    "Receipt",
    "Refused",
    "Reset",
    "Revision",
    "ServerSentEvent",
    "SluiceError",
    "SQLiteCursor",
    "State",
    "StreamOptions",
    "TakenOver",
    "Token",
    "Unreachable",
]
__all__ += catalogue.__all__

__version__ = "0.1.0"
