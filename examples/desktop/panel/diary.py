"""What the window shows, as JSON lines in a file, for tests and for support: `--diary FILE`."""

import json
from typing import TextIO


class Diary:
    """Writes a line when the user sees something new; nothing without a file."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file
        self.is_kept = file is not None

    def write(self, **shown: object) -> None:
        if self._file:
            print(json.dumps(shown), file=self._file, flush=True)
