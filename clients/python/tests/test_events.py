"""Events and notices, as they are read from blocks."""

import pytest

from sluice_client import Event, ItemCreated, Notice, ProtocolError
from sluice_client.catalogue import EVENTS
from sluice_client.events import read_block
from sluice_client.parser import Block

CREATED = '{"part_number":"A01","description":"Bracket","item_type":"part"}'


def read(event: str, data: str) -> Event | Notice:
    return read_block(Block("7.a", event, data), "7.a", EVENTS)


def test_a_built_in_event_has_the_class_of_its_type() -> None:
    event = read("item.created", CREATED)

    assert isinstance(event, ItemCreated)
    assert event.data["part_number"] == "A01"
    assert event.text == CREATED


def test_a_redacted_event_and_one_of_another_shape_are_plain() -> None:
    redacted = read("item.created", '{"redacted":true,"reason":"request 118","at":"2026-11-26T09:30:00.000Z"}')

    assert type(redacted) is Event
    assert redacted.redacted
    assert type(read("item.created", "{}")) is Event
    assert type(read("door.opened", CREATED)) is Event


def test_an_envelope_has_the_time_and_the_place() -> None:
    event = read(
        "message",
        '{"id":"7.a","position":7,"type":"door.opened","at":"2026-11-21T06:28:06.140Z","event_id":"u","data":{"n":1}}',
    )

    assert isinstance(event, Event)
    assert (event.type, event.position, event.data) == ("door.opened", 7, {"n": 1})
    assert event.time is not None
    assert event.time.isoformat() == "2026-11-21T06:28:06.140000+00:00"


def test_a_notice_is_no_event_in_either_form() -> None:
    assert read("heartbeat", "{}") == Notice("7.a", "heartbeat", {})
    assert read("message", '{"id":"7.a","type":"heartbeat","data":{}}') == Notice("7.a", "heartbeat", {})


def test_whole_numbers_keep_their_digits() -> None:
    event = read("door.opened", '{"n":12345678901234567890}')

    assert event.data["n"] == 12345678901234567890


def test_a_number_with_more_digits_than_python_reads_does_not_end_the_feed() -> None:
    digits = "1" * 5_000
    event = read("door.opened", f'{{"n":{digits},"m":7}}')

    assert isinstance(event, Event)
    assert event.data == {"n": float("inf"), "m": 7}
    assert digits in event.text


@pytest.mark.parametrize("data", ["{", "[]", "7", "[" * 100_000, "\u0000"])
def test_other_data_is_an_error_that_shows_it(data: str) -> None:
    with pytest.raises(ProtocolError, match="door.opened"):
        read("door.opened", data)
