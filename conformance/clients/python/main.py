"""python main.py LIBRARY URL TOKEN: the contract is in ../README.md"""

import importlib
import os
import sys

TYPES = {"part.made", "part.moved", "story.end", "reset", "unavailable"}


def hear(event_id, kind, data):
    if kind not in TYPES:
        return
    text = data.replace("\n", "\\n")
    sys.stdout.buffer.write(f"{event_id} {kind} {text}\n".encode())
    sys.stdout.buffer.flush()
    if kind == "story.end":
        os._exit(0)


library, url, token = sys.argv[1:]
importlib.import_module(f"follow_{library.replace('-', '_')}").follow(url, token, hear)
