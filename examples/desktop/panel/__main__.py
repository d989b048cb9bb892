"""The "Database Activity" panel of a desktop program. From the folder examples/desktop:

    python -m panel --url http://127.0.0.1:8080 --token-file activity.token

Its changes and its place in the feed are in activity.db. Closed and started again, it shows what happened meanwhile.
"""

import argparse
import os
import tkinter as tk
from pathlib import Path

from sluice_client import Client

from .diary import Diary
from .window import Panel


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m panel", description=__doc__)
    parser.add_argument("--url", default=os.environ.get("SLUICE_URL", "http://127.0.0.1:8080"))
    parser.add_argument("--token-file", type=Path, help="read anew whenever the client needs a token; default: SLUICE_TOKEN")
    parser.add_argument("--store", type=Path, default=Path("activity.db"), help="changes and cursor (activity.db)")
    parser.add_argument("--diary", type=Path, help="write what the window shows to this file, as JSON lines")
    parser.add_argument("--geometry", default="820x620", help="size and place of the window, as in X11 (820x620)")
    given = parser.parse_args()

    def token() -> str:
        """Where your program asks your login for a token."""
        return given.token_file.read_text().strip() if given.token_file else os.environ["SLUICE_TOKEN"]

    root = tk.Tk()
    root.geometry(given.geometry)
    diary = Diary(given.diary.open("a", encoding="utf-8") if given.diary else None)
    with Client(given.url, token=token) as client:
        Panel(root, client, given.store, diary)
        root.mainloop()


if __name__ == "__main__":
    main()
