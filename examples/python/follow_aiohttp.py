"""Has a command executed by a runner of a project, and follows it as if it ran here: what it writes comes out of
stdout and stderr, and its exit status is this program's. With aiohttp alone.

    python follow_aiohttp.py 'npm test'
    python follow_aiohttp.py --id <stream id>    one that was started before, even if it has ended

Settings: SLUICE_PROJECT, SLUICE_TOKEN (an editor's; a viewer's is enough for --id), SLUICE_URL.
Exit status: the command's. 125: it has none, as it was cancelled, interrupted or killed. 126: the gateway refused,
or could not be asked to start it. 2: wrong usage.
"""

import asyncio
import json
import os
import signal
import sys
from urllib.parse import quote

import aiohttp

NO_STATUS, REFUSED, USAGE = 125, 126, 2
# Heartbeats come every 15 s: a longer silence is a connection that is dead. The whole may take as long as it likes.
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=40)
# Longer lines are an error to aiohttp. An event of a command has at most 60 KiB.
MAX_LINE_BYTES = 128 * 1024


class Refused(Exception):
    """The gateway says no, and would say so again."""


class Place:
    """Where to go on, and after how long."""

    last_event_id = None
    retry_s = 3


async def main(args):
    token, project = os.environ.get("SLUICE_TOKEN"), os.environ.get("SLUICE_PROJECT")
    if not token or not project or not args or (args[0] == "--id" and len(args) != 2):
        say("Usage: SLUICE_TOKEN=… SLUICE_PROJECT=… python follow_aiohttp.py COMMAND | --id STREAM_ID")
        return USAGE
    url = f"{os.environ.get('SLUICE_URL') or 'http://127.0.0.1:8080'}/projects/{quote(project, safe='')}"
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=TIMEOUT, read_bufsize=MAX_LINE_BYTES) as session:
        try:
            stream_id = args[1] if args[0] == "--id" else await start(session, url, " ".join(args))
            return await follow(session, url, stream_id)
        except (Refused, aiohttp.ClientError) as error:
            say(error)
            return REFUSED


async def start(session, url, command):
    """Not tried again when it fails: the answer may be what was lost, and the command running."""
    async with session.post(f"{url}/shell", json={"command": command}) as response:
        if not response.ok:
            raise Refused(await refusal(response))
        stream_id = (await response.json())["data"]["id"]
    say(f"started {stream_id}")
    return stream_id


async def follow(session, url, stream_id):
    """The exit status. Comes back until the stream has ended."""
    place, failures = Place(), 0
    while True:
        headers = {"Accept": "text/event-stream"}
        if place.last_event_id:
            headers["Last-Event-ID"] = place.last_event_id
        try:
            async with session.get(f"{url}/events", params={"stream_id": stream_id}, headers=headers) as response:
                failures = 0
                exit_status = await listen(response, place)
            if exit_status is not None:
                return exit_status
        except aiohttp.ClientError as error:
            failures += 1
            say(f"{error}, comes back")
        # As the gateway asks, which spreads its clients; after failures longer and longer, up to 16 times that.
        await asyncio.sleep(place.retry_s * 2 ** min(failures, 4))


async def listen(response, place):
    """Shows one answer to its end. The exit status if it brings one."""
    if response.status == 204:
        # The stream has ended, and this client has all of it.
        return NO_STATUS
    if response.status == 429 or response.status >= 500:
        if response.headers.get("Retry-After", "").isdigit():
            place.retry_s = int(response.headers["Retry-After"])
        say(f"{await refusal(response)}, comes back")
        return None
    if not response.ok:
        raise Refused(await refusal(response))
    async for message in messages(response.content):
        if message.get("retry", "").isdigit():
            place.retry_s = int(message["retry"]) / 1000
        if "data" in message:
            exit_status = show(message.get("event"), json.loads(message["data"]))
            if exit_status is not None:
                return exit_status
        # Only now: a line that was not written yet must come again.
        place.last_event_id = message.get("id", place.last_event_id)
    return None


async def messages(lines):
    """The fields of each message (WHATWG HTML §9.2.6). One that was cut, without its empty line, is none."""
    message, data = {}, []
    async for line in lines:
        field, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if line.strip(b"\r\n") == b"":
            # Joined once: adding to a string copies it, for each line of a message anew.
            yield {**message, "data": "\n".join(data)} if data else message
            message, data = {}, []
        elif field == "data":
            data.append(value)
        elif field != "":
            message[field] = value


def show(name, data):
    """Shows a message. The exit status if it brings one."""
    if name == "output":
        out = sys.stderr if data["stream"] == "stderr" else sys.stdout
        # A very long line comes in parts, of which all but the last continue.
        print(data["line"], file=out, end="" if data.get("continues") else "\n", flush=True)
    elif name == "complete":
        if why := data.get("signal") or data.get("reason"):
            say(f"ended: {why}")
        return data["exit_code"]
    elif name == "error":
        # The command never started.
        say(data["message"])
        return NO_STATUS
    elif name == "connected" and data["status"] == "queued":
        say("waits for a runner")
    return None


async def refusal(response):
    """What a problem document says (RFC 9457), or else the status."""
    try:
        problem = json.loads(await response.text())
        return f"{problem['detail']} ({response.status} {problem['code']})"
    except (ValueError, KeyError, TypeError):
        return f"status {response.status}"


def say(text):
    """Writes beside the command's own lines; the name before it distinguishes the two."""
    print(f"follow: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    # Ctrl-C, and a reader of the pipe that has gone (`| head`), end it without a traceback. The command goes on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for output in (sys.stdout, sys.stderr):
        output.reconfigure(encoding="utf-8", errors="replace")
    sys.exit(asyncio.run(main(sys.argv[1:])))
