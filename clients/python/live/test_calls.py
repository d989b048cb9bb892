"""Single requests and short streams against the gateway at SLUICE_URL, with the tokens of SLUICE_EDITOR and SLUICE_VIEWER."""

import asyncio
import os
import threading
import uuid
from collections.abc import Iterator

import pytest

from sluice_client import (
    AsyncClient,
    Client,
    ItemCreated,
    ItemUpdated,
    NewEvent,
    Refused,
    Reset,
    RevisionCreated,
    StreamOptions,
)

URL = os.environ["SLUICE_URL"]
EDITOR, VIEWER = os.environ["SLUICE_EDITOR"], os.environ["SLUICE_VIEWER"]


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(URL, token=EDITOR) as client:
        yield client


def test_items_are_changed_and_followed_from_the_head_of_their_list(client: Client) -> None:
    part = f"A-{uuid.uuid4()}"
    head = client.items.page(limit=1).head
    created = client.items.create(part, description="Bracket", item_type="part", properties={"mass": 1.5})
    changed = client.items.update(part, description="Bracket, left", if_match=created["etag"])
    revision = client.items.release(part, "Holes moved")

    kinds = [type(event) for event in _take(client, head, 4)]
    assert kinds == [ItemCreated, ItemUpdated, RevisionCreated, ItemUpdated]
    assert (changed["description"], revision["revision_number"]) == ("Bracket, left", 2)
    assert [found["part_number"] for found in client.items.all(search=part)] == [part]
    assert client.items.revisions(part)[0]["actor"] == revision["actor"]
    with pytest.raises(Refused) as refusal:
        client.items.update(part, description="late", if_match=created["etag"])
    assert refusal.value.code == "precondition-failed"
    client.items.delete(part)
    with pytest.raises(Refused) as refusal:
        client.items.get(part)
    assert (refusal.value.status, refusal.value.code) == (404, "not-found")


def test_a_publish_with_the_same_key_is_stored_once(client: Client) -> None:
    stream, key = f"s-{uuid.uuid4()}", str(uuid.uuid4())
    first = client.publish("door.opened", {"n": 12345}, stream=stream, idempotency_key=key)
    again = client.publish("door.opened", {"n": 12345}, stream=stream, idempotency_key=key)
    more = client.publish_all([NewEvent("a", {}), NewEvent("b", {"ä": [1, None]})], stream=stream)

    assert again == first
    assert [receipt.position for receipt in more] == [2, 3]
    assert client.publish_all([]) == []
    with pytest.raises(Refused) as refusal:
        client.publish("c", {}, stream=stream, expected_head=first.id)
    assert refusal.value.code == "head-differs"


def test_the_state_after_a_reset_is_where_the_feed_continues(client: Client) -> None:
    stream = f"s-{uuid.uuid4()}"
    head = client.publish("before", {}, stream=stream).id
    resets: list[str] = []

    def reload(reset: Reset) -> str:
        resets.append(reset.reason)
        # What happens while the application loads its state.
        loaded = client.publish("loaded", {}, stream=stream).id
        client.publish("after", {}, stream=stream)
        return loaded

    with client.feed(stream=stream, start="9999.aaaaaa", reload=reload) as feed:
        event = next(feed)

    assert (resets, event.type) == (["history-lost"], "after")
    assert head


def test_the_result_of_a_job_arrives(client: Client) -> None:
    job = client.jobs.create("build", title="Build")
    handle = client.job(job["id"])
    with pytest.raises(TimeoutError):
        handle.result(timeout_s=0.2)
    threading.Timer(0.2, handle.cancel).start()

    assert handle.result(timeout_s=30)["status"] == "cancelled"
    assert [event.type for event in handle.events()] == ["job.created", "job.cancelled"]
    assert handle.result()["status"] == "cancelled"


def test_a_ticket_opens_a_feed_and_nothing_else(client: Client) -> None:
    head = client.publish("door.opened", {}).id
    with Client(URL, ticket=client.ticket) as without_token:
        with without_token.feed(start="beginning") as feed:
            assert any(event.id == head for event in feed)
        with pytest.raises(ValueError, match="opens streams only"):
            without_token.items.page()


def test_a_refusal_says_why() -> None:
    with Client(URL, token=VIEWER) as viewer:
        with pytest.raises(Refused) as refusal:
            viewer.publish("door.opened", {})
        assert (refusal.value.status, refusal.value.code) == (403, "role-too-low")
        with pytest.raises(Refused) as refusal:
            next(viewer.feed(stream="missing"))
        assert refusal.value.code == "not-found"
    with Client(URL, token="nonsense") as nobody, pytest.raises(Refused) as refusal:
        next(nobody.feed())
    assert refusal.value.status == 401


def test_the_same_with_asyncio() -> None:
    async def main() -> None:
        async with AsyncClient(URL, token=EDITOR) as client:
            part = f"B-{uuid.uuid4()}"
            head = (await client.items.page(limit=1)).head
            await client.items.create(part, description="Bracket", item_type="part")
            async with client.feed(start=head, types=["item.*"], envelope=True) as feed:
                event = await feed.__anext__()
            assert isinstance(event, ItemCreated)
            assert event.data["part_number"] == part
            assert event.time is not None
            assert [item["part_number"] async for item in client.items.all(search=part)] == [part]
            await client.items.delete(part)

            job = await client.jobs.create("build")
            result = asyncio.ensure_future(client.job(job["id"]).result())
            with pytest.raises(TimeoutError):
                await client.job(job["id"]).result(timeout_s=0.2)
            await client.jobs.cancel(job["id"])
            assert (await result)["status"] == "cancelled"

            async with AsyncClient(URL, ticket=client.ticket) as without_token:
                async with without_token.feed(start="beginning", options=StreamOptions()) as feed:
                    assert (await feed.__anext__()).id

    asyncio.run(main())


def _take(client: Client, head: str, count: int) -> list[object]:
    with client.feed(start=head) as feed:
        return [next(feed) for _ in range(count)]
