"""Undoes Content-Encoding piece by piece: a proxy may compress what the client asked for as it is."""

import zlib
from collections.abc import Iterator

from .errors import ProtocolError

_PIECE = 65_536
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class Decoder:
    """Yields pieces of at most 64 KiB, however much a few bytes unpack to.

    :raises ProtocolError: from the constructor, for an encoding that it does not know; from `decode`, for broken data.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", *_WINDOWS):
            raise ProtocolError(f"The response has the Content-Encoding {name[:100]}, which the client did not ask for.")
        self._unpack = zlib.decompressobj(_WINDOWS[name]) if name in _WINDOWS else None

    def decode(self, data: bytes) -> Iterator[bytes]:
        """The unpacked form of these bytes."""
        if self._unpack is None:
            yield data
            return
        try:
            while data:
                piece = self._unpack.decompress(data, _PIECE)
                data = self._unpack.unconsumed_tail
                if piece:
                    yield piece
        except zlib.error as error:
            raise ProtocolError(f"The response is no valid {error}") from error
