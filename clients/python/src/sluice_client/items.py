"""The items of a workspace (docs/protocol.md, "Items")."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, cast
from urllib.parse import quote

from .effects import Program
from .requests import AsyncRun, Requests, Run, document_of


class Item(TypedDict):
    """An item. Times are RFC 3339; `etag` is for `if_match`."""

    part_number: str
    description: str
    item_type: str
    properties: dict[str, Any]
    revision: int
    created_at: str
    updated_at: str
    etag: str


class Revision(TypedDict):
    """A revision of an item. `actor` is the principal that released it."""

    part_number: str
    revision_number: int
    comment: str
    properties: dict[str, Any]
    actor: str
    at: str


@dataclass(frozen=True, slots=True)
class ItemPage:
    """A page of items. `next_cursor` is None on the last one; `head` is the newest event of the feed that it includes."""

    items: list[Item]
    next_cursor: str | None
    head: str


class ItemRequests:
    """The requests, without IO."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def page(self, query: Mapping[str, object]) -> Program[ItemPage]:
        response = yield from self._requests.send("GET", "/api/items", query=query, repeat=True)
        page = document_of(response)
        return ItemPage(page["items"], page["next_cursor"], response.headers.get("x-sluice-head", ""))

    def get(self, part_number: str) -> Program[Item]:
        response = yield from self._requests.send("GET", _path(part_number), repeat=True)
        return cast(Item, document_of(response))

    def revisions(self, part_number: str, limit: int) -> Program[list[Revision]]:
        path = f"{_path(part_number)}/revisions"
        response = yield from self._requests.send("GET", path, query={"limit": limit}, repeat=True)
        return cast(list[Revision], document_of(response)["revisions"])

    def change(
        self, method: str, path: str, document: Mapping[str, object] | None = None, if_match: str | None = None
    ) -> Program[Mapping[str, Any]]:
        """Not repeated: a change whose outcome is unknown is the caller's to look at."""
        given = None if document is None else {name: value for name, value in document.items() if value is not None}
        headers = {"If-Match": if_match} if if_match else {}
        response = yield from self._requests.send(method, path, headers=headers, document=given, repeat=False)
        return document_of(response) if response.body else {}


class Items:
    """`client.items`. Changes raise Unreachable or Overloaded when they fail, and are not repeated."""

    def __init__(self, requests: ItemRequests, run: Run) -> None:
        self._requests = requests
        self._run = run

    def page(
        self,
        *,
        search: str | None = None,
        item_type: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> ItemPage:
        """One page. Load all pages, then follow the feed from the `head` of the first."""
        query = {"search": search, "item_type": item_type, "limit": limit, "cursor": cursor}
        return self._run(self._requests.page(query))

    def all(self, *, search: str | None = None, item_type: str | None = None) -> Iterator[Item]:
        """Every item, page by page."""
        cursor: str | None = None
        while True:
            page = self.page(search=search, item_type=item_type, limit=200, cursor=cursor)
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def get(self, part_number: str) -> Item:
        """:raises Refused: 404, if there is none."""
        return self._run(self._requests.get(part_number))

    def revisions(self, part_number: str, *, limit: int = 100) -> list[Revision]:
        """The newest first."""
        return self._run(self._requests.revisions(part_number, limit))

    def create(
        self, part_number: str, *, description: str, item_type: str, properties: Mapping[str, Any] | None = None
    ) -> Item:
        """:raises Refused: 409 `item-exists`."""
        new = {**_fields(description, item_type, properties), "part_number": part_number}
        return cast(Item, self._run(self._requests.change("POST", "/api/items", new)))

    def update(
        self,
        part_number: str,
        *,
        description: str | None = None,
        item_type: str | None = None,
        properties: Mapping[str, Any] | None = None,
        if_match: str | None = None,
    ) -> Item:
        """:raises Refused: 412 `precondition-failed`, if the item has another etag than `if_match`."""
        fields = _fields(description, item_type, properties)
        return cast(Item, self._run(self._requests.change("PATCH", _path(part_number), fields, if_match)))

    def delete(self, part_number: str, *, if_match: str | None = None) -> None:
        """With its revisions."""
        self._run(self._requests.change("DELETE", _path(part_number), None, if_match))

    def release(self, part_number: str, comment: str, *, properties: Mapping[str, Any] | None = None) -> Revision:
        """Releases the next revision."""
        new = {"comment": comment, "properties": properties}
        return cast(Revision, self._run(self._requests.change("POST", f"{_path(part_number)}/revisions", new)))


class AsyncItems:
    """The same for asyncio."""

    def __init__(self, requests: ItemRequests, run: AsyncRun) -> None:
        self._requests = requests
        self._run = run

    async def page(
        self,
        *,
        search: str | None = None,
        item_type: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> ItemPage:
        """One page. Load all pages, then follow the feed from the `head` of the first."""
        query = {"search": search, "item_type": item_type, "limit": limit, "cursor": cursor}
        return await self._run(self._requests.page(query))

    async def all(self, *, search: str | None = None, item_type: str | None = None) -> AsyncIterator[Item]:
        """Every item, page by page."""
        cursor: str | None = None
        while True:
            page = await self.page(search=search, item_type=item_type, limit=200, cursor=cursor)
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def get(self, part_number: str) -> Item:
        """:raises Refused: 404, if there is none."""
        return await self._run(self._requests.get(part_number))

    async def revisions(self, part_number: str, *, limit: int = 100) -> list[Revision]:
        """The newest first."""
        return await self._run(self._requests.revisions(part_number, limit))

    async def create(
        self, part_number: str, *, description: str, item_type: str, properties: Mapping[str, Any] | None = None
    ) -> Item:
        """:raises Refused: 409 `item-exists`."""
        new = {**_fields(description, item_type, properties), "part_number": part_number}
        return cast(Item, await self._run(self._requests.change("POST", "/api/items", new)))

    async def update(
        self,
        part_number: str,
        *,
        description: str | None = None,
        item_type: str | None = None,
        properties: Mapping[str, Any] | None = None,
        if_match: str | None = None,
    ) -> Item:
        """:raises Refused: 412 `precondition-failed`, if the item has another etag than `if_match`."""
        fields = _fields(description, item_type, properties)
        return cast(Item, await self._run(self._requests.change("PATCH", _path(part_number), fields, if_match)))

    async def delete(self, part_number: str, *, if_match: str | None = None) -> None:
        """With its revisions."""
        await self._run(self._requests.change("DELETE", _path(part_number), None, if_match))

    async def release(self, part_number: str, comment: str, *, properties: Mapping[str, Any] | None = None) -> Revision:
        """Releases the next revision."""
        new = {"comment": comment, "properties": properties}
        return cast(Revision, await self._run(self._requests.change("POST", f"{_path(part_number)}/revisions", new)))


def _fields(
    description: str | None, item_type: str | None, properties: Mapping[str, Any] | None
) -> dict[str, object]:
    return {"description": description, "item_type": item_type, "properties": properties}


def _path(part_number: str) -> str:
    return f"/api/items/{quote(part_number, safe='')}"
