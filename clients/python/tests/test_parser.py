"""The parser against WHATWG HTML, section 9.2.6, wherever the bytes are divided."""

import time

import pytest

from sluice_client import EventTooLarge
from sluice_client.parser import Block, Comment, Parser

AWKWARD = (
    "\ufeff: a comment\r"
    "id: 1\r\nevent: made\r\ndata: Ä 𝄞\ndata:  two spaces\r\n\r\n"
    "data\n\n"
    "id\ndata: reset\n\n"
    "id: a\0b\nretry: 20\nretry: x\nretry: \nunknown: y\ndata: {}\n\n"
    "id: 7\n\n"
    "event: without data\n\n"
    "data: cut off"
).encode()
BLOCKS = [
    Comment("a comment"),
    Block("1", "made", "Ä 𝄞\n two spaces"),
    Block(None, "message", ""),
    Block("", "message", "reset"),
    Block(None, "message", "{}"),
    Block("7", "message", None),
]


def parsed(*chunks: bytes, limit: int = 1_000) -> list[Block | Comment]:
    parser = Parser(limit)
    return [block for chunk in chunks for block in parser.feed(chunk)]


def test_blocks_are_the_same_wherever_the_bytes_are_divided() -> None:
    divided = [parsed(AWKWARD[:at], AWKWARD[at:]) for at in range(len(AWKWARD) + 1)]
    single = parsed(*(AWKWARD[at : at + 1] for at in range(len(AWKWARD))))

    assert [blocks for blocks in [*divided, single] if blocks != BLOCKS] == []


def test_a_carriage_return_ends_its_line_before_the_next_byte() -> None:
    parser = Parser()

    assert list(parser.feed(b"data: now\r\r")) == [Block(None, "message", "now")]
    assert list(parser.feed(b"\ndata: later\n\n")) == [Block(None, "message", "later")]


def test_retry_takes_only_digits_and_no_time_for_huge_ones() -> None:
    parser = Parser(2_000_000)
    list(parser.feed(b"retry: 20\nretry: -1\nretry: 1.5\nretry: \xd9\xa1\nretry:\n"))
    assert parser.retry_ms == 20

    list(parser.feed(b"retry: " + b"9" * 1_000_000 + b"\n"))
    assert parser.retry_ms == 10**15


@pytest.mark.parametrize("chunk", [b"data: " + b"x" * 100, b"data: 0123456789\n" * 10, b": " + b"x" * 100])
def test_an_event_or_line_above_the_limit_is_refused_before_its_end(chunk: bytes) -> None:
    with pytest.raises(EventTooLarge, match="100 bytes"):
        parsed(chunk, limit=100)


def test_the_limit_is_that_of_one_event() -> None:
    assert len(parsed(b"data: 0123456789\n\n: comment\n" * 100, limit=20)) == 200


def test_time_is_linear_in_the_bytes_however_they_are_divided() -> None:
    def seconds(size: int, piece: int) -> float:
        parser, line = Parser(2**24), b"data: " + b"x" * size + b"\n\n"
        began = time.process_time()
        blocks = [block for at in range(0, len(line), piece) for block in parser.feed(line[at : at + piece])]
        assert len(blocks) == 1
        return time.process_time() - began

    # Quadratic code takes a hundred times as long for ten times as much; only that is looked at, not the speed.
    least = min(seconds(2**15, 8) for _ in range(3))
    assert min(seconds(10 * 2**15, 8) for _ in range(3)) < 40 * max(least, 0.001)
