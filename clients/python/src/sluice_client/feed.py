"""A feed of Sluice: what each block means and when the cursor moves; the logic, without IO (docs/protocol.md)."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from .catalogue import EVENTS
from .cursors import CursorStore, MemoryCursor
from .effects import Call, Deliver, Failed, Program, Request, Send, perform
from .errors import EventsMissing, NotRefreshed, ProtocolError, Refused
from .events import Event, Notice, Reset, read_block
from .parser import Block, Comment
from .requests import EARLY_S, Requests
from .stream import Verdict

REFRESH_AGAIN_S = 5.0
Delivery = Literal["at-least-once", "at-most-once"]


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How a feed treats its cursor, discontinuities and credentials. Client.feed describes the members.

    is_last: whether an event of this type is the last one of the stream.
    """

    cursor: CursorStore = field(default_factory=MemoryCursor)
    delivery: Delivery = "at-least-once"
    reload: Callable[[Reset], Any] | None = None
    on_notice: Callable[[Notice], Any] | None = None
    renew_early_s: float = EARLY_S
    confirm_s: float = 10.0
    is_last: Callable[[str], bool] = lambda _: False


class FeedReader:
    """The reader of one feed. A renewal is none, or waits for `auth-renewed` until its deadline."""

    def __init__(self, requests: Requests, path: str, query: Mapping[str, object], options: FeedOptions) -> None:
        self._requests = requests
        self._credentials = requests.credentials
        self._path = path
        self._query = query
        self._options = options
        self._cursor: str | None = None
        self._saved: str | None = None
        self._is_loaded = False
        self._asked = False
        self._used = ""
        self._connection = ""
        self._confirm_by = math.inf
        self._not_before = 0.0

    def request(self) -> Program[Request]:
        if not self._is_loaded:
            self._cursor = self._saved = yield from perform(Call(self._options.cursor.load))
            self._is_loaded = True
        self._connection, self._confirm_by, self._not_before = "", math.inf, 0.0
        yield from self._credentials.before_request(self._options.renew_early_s)
        self._used = self._credentials.value
        ticket = self._used if self._credentials.is_ticket else None
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache", **self._credentials.header()}
        if self._cursor:
            headers["Last-Event-ID"] = self._cursor
        return Request("GET", self._requests.url(self._path, {**self._query, "ticket": ticket}), headers)

    def opened(self) -> Program[None]:
        self._asked = False
        yield from ()

    def refused(self, refusal: Refused) -> Program[Verdict]:
        """A 401 gets new credentials once, if there is a function for them."""
        if refusal.status != 401 or not self._credentials.can_refresh or self._asked:
            return Verdict.END
        self._asked = True
        # Another feed of the client may have got new ones meanwhile; a ticket is new for each connection.
        if self._credentials.value == self._used and not self._credentials.is_ticket:
            yield from self._credentials.refresh()
        return Verdict.RECONNECT_NOW

    def block(self, block: Block | Comment) -> Program[Verdict]:
        if isinstance(block, Comment):
            return Verdict.GO_ON
        if block.data is None:
            yield from self._move(block.id)
            return Verdict.GO_ON
        cursor = (self._cursor or "") if block.id is None else block.id
        item = read_block(block, cursor, EVENTS)
        if isinstance(item, Notice):
            return (yield from self._notice(item, block.id))
        if block.id and block.id == self._cursor:
            return Verdict.GO_ON
        yield from self._deliver(item, block.id)
        # Otherwise the end is known only after another connection, which gets 204.
        return Verdict.END if self._options.is_last(item.type) else Verdict.GO_ON

    def _deliver(self, event: Event, block_id: str | None) -> Program[None]:
        if self._options.delivery == "at-most-once":
            yield from self._move(block_id)
        began = time.monotonic()
        yield from perform(Deliver(event))
        # What arrived meanwhile, such as a confirmation, lies unread.
        self._confirm_by += time.monotonic() - began
        yield from self._move(block_id)

    def patience_s(self) -> float:
        if self._confirm_by < math.inf:
            return self._confirm_by - time.monotonic()
        return self._due_in_s() if self._can_renew() else math.inf

    def tick(self) -> Program[Verdict]:
        """Renews the credentials in the stream before they expire (docs/protocol.md, "Renewing a stream")."""
        if self._confirm_by <= time.monotonic():
            return Verdict.RECONNECT_NOW
        if self._confirm_by < math.inf or not self._can_renew():
            return Verdict.GO_ON
        if self._due_in_s() > 0:
            return Verdict.GO_ON
        before = self._credentials.expires_at or 0.0
        try:
            yield from self._credentials.refresh()
        except NotRefreshed:
            self._not_before = time.monotonic() + REFRESH_AGAIN_S
            return Verdict.GO_ON
        if (self._credentials.expires_at or math.inf) <= before:
            # They are no newer, which the gateway would not confirm: the stream ends with them.
            self._not_before = math.inf
            return Verdict.GO_ON
        url = self._requests.url(f"/api/streams/{quote(self._connection, safe='')}/token")
        reply = yield from perform(Send(Request("POST", url, self._credentials.header())))
        if isinstance(reply, Failed) or reply.status != 202:
            return Verdict.RECONNECT_NOW
        self._confirm_by = time.monotonic() + self._options.confirm_s
        return Verdict.GO_ON

    def _due_in_s(self) -> float:
        return max(
            self._credentials.due_in_s(self._options.renew_early_s), self._not_before - time.monotonic()
        )

    def _can_renew(self) -> bool:
        return bool(self._connection) and self._credentials.can_refresh and not self._credentials.is_ticket

    def _notice(self, notice: Notice, block_id: str | None) -> Program[Verdict]:
        if self._options.on_notice:
            yield from perform(Call(self._options.on_notice, (notice,)))
        if notice.type == "reset":
            return (yield from self._reset(notice, block_id))
        yield from self._move(block_id)
        match notice.type:
            case "server.state":
                self._connection = str(notice.data.get("connection", self._connection))
            case "unavailable":
                return Verdict.RECONNECT
            case "auth-renewed":
                self._confirm_by = math.inf
                if self._credentials.due_in_s(self._options.renew_early_s) <= 0:
                    # New ones that seem to have expired: the clock of this machine is wrong.
                    self._not_before = time.monotonic() + REFRESH_AGAIN_S
            case "auth-expired" if self._credentials.can_refresh:
                if self._credentials.value == self._used and not self._credentials.is_ticket:
                    yield from self._credentials.refresh()
                return Verdict.RECONNECT
            case "auth-expired":
                raise Refused(401, "auth-expired", "The credentials have expired. Pass a function that gets new ones.")
            case "auth-revoked":
                raise Refused(401, "auth-revoked", "The credentials have been revoked. Log in again.")
        return Verdict.GO_ON

    def _reset(self, notice: Notice, block_id: str | None) -> Program[Verdict]:
        head = block_id or notice.data.get("head")
        if not isinstance(head, str):
            raise ProtocolError("The notice reset has no head.")
        reset = Reset(str(notice.data.get("reason", "")), head, str(notice.data.get("earliest", head)))
        if self._options.reload is None:
            raise EventsMissing(reset)
        began = time.monotonic()
        reloaded = yield from perform(Call(self._options.reload, (reset,)))
        self._confirm_by += time.monotonic() - began
        yield from self._move(reloaded or head)
        # The state includes events after the reset: they must not come again.
        return Verdict.RECONNECT_NOW if reloaded and reloaded != head else Verdict.GO_ON

    def _move(self, cursor: str | None) -> Program[None]:
        if cursor is None:
            return
        self._cursor = cursor
        if cursor and cursor != self._saved:
            yield from perform(Call(self._options.cursor.save, (cursor,)))
            self._saved = cursor
