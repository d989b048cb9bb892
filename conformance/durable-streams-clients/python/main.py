"""python main.py COMMAND URL TOKEN …: the contract is in ../README.md"""

import asyncio
import base64
import json
import sys
import time

import httpx
from durable_streams import DurableStream, astream, stream
from durable_streams import DurableStreamError, SeqConflictError

PAUSE = 0.025
END = {"end": True}


def read(url, headers, mode):
    """Begins again at the offset of the last batch: only it has all messages before it."""
    live = {"catch-up": False}.get(mode, mode)
    form = "json" if is_json(url, headers) else "bytes"
    offset = "-1"
    while True:
        try:
            with stream(url, offset=offset, live=live, headers=headers) as response:
                for event in response.iter_events(mode=form):
                    offset = event.next_offset or offset
                    if hear(event.data):
                        return
        except (httpx.HTTPError, DurableStreamError) as error:
            refuse(error)
        time.sleep(PAUSE)


async def read_async(url, headers, mode):
    live = {"catch-up": False}.get(mode, mode)
    offset = "-1"
    while True:
        try:
            async with astream(url, offset=offset, live=live, headers=headers) as response:
                async for event in response.iter_events(mode="json"):
                    offset = event.next_offset or offset
                    if hear(event.data):
                        return
        except (httpx.HTTPError, DurableStreamError) as error:
            refuse(error)
        await asyncio.sleep(PAUSE)


def write(url, headers, writer, messages):
    """One request at a time, numbered by Stream-Seq: a conflict means that an earlier attempt was stored."""
    repeated = 0
    with DurableStream(url, headers=headers, content_type="application/json", batching=False) as handle:
        for n in range(1, messages + 1):
            while True:
                try:
                    message = {"writer": writer, "n": n, "text": "Ä Ω 𝄞 \u2028 data: \r\n"}
                    handle.append(message, seq=f"{n:08}")
                    break
                except SeqConflictError:
                    break
                except (httpx.HTTPError, DurableStreamError) as error:
                    refuse(error)
                repeated += 1
                time.sleep(PAUSE)
    print(repeated)


def is_json(url, headers):
    while True:
        try:
            with DurableStream(url, headers=headers) as handle:
                return (handle.head().content_type or "").startswith("application/json")
        except (httpx.HTTPError, DurableStreamError) as error:
            refuse(error)
        time.sleep(PAUSE)


def hear(data):
    """Whether this was the last message."""
    if isinstance(data, bytes):
        sys.stdout.write(base64.b64encode(data).decode() + "\n")
        sys.stdout.flush()
        return data.endswith(b"END")
    for message in data:
        sys.stdout.buffer.write(json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
    sys.stdout.buffer.flush()
    return END in data


def refuse(error):
    """What the gateway refuses stays refused."""
    status = getattr(error, "status", None) or 500
    if 400 <= status < 500 and status != 429:
        raise error


command, url, token, *rest = sys.argv[1:]
headers = {"authorization": f"Bearer {token}"}
if command == "read":
    read(url, headers, rest[0])
elif command == "read-async":
    asyncio.run(read_async(url, headers, rest[0]))
elif command == "write":
    write(url, headers, rest[0], int(rest[1]))
