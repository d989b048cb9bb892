"""The parser, wherever its bytes are divided."""

from sluice_client.parser import Block, Comment, Parser


def test_nothing_yet() -> None:
    assert list(Parser().feed(b"")) == []
