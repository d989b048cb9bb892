"""Has a command executed by a runner of a project, and follows it as if it ran here: what it writes comes out of
stdout and stderr, and its exit status is this program's. With requests and sseclient-py.

    python follow_requests.py 'npm test'
    python follow_requests.py --id <stream id>    one that was started before, even if it has ended

Settings: SLUICE_PROJECT, SLUICE_TOKEN (an editor's; a viewer's is enough for --id), SLUICE_URL.
Exit status: the command's. 125: it has none, as it was cancelled, interrupted or killed. 126: the gateway refused,
or could not be asked to start it. 2: wrong usage.
"""

import json
import os
import re
import signal
import sys
import time
from urllib.parse import quote

import requests
from sseclient import SSEClient

NO_STATUS, REFUSED, USAGE = 125, 126, 2
# To connect, and between two reads: heartbeats come every 15 s, so a longer silence is a connection that is dead.
TIMEOUT_S = (10, 40)


class Refused(Exception):
    """The gateway says no, and would say so again."""


class Place:
    """Where to go on, and after how long."""

    last_event_id = None
    retry_s = 3


class Stream(SSEClient):
    """sseclient-py passes over messages without data, and `retry:` comes in one."""

    def __init__(self, response, place):
        super().__init__(response)
        self._place = place

    def _read(self):
        for message in super()._read():
            if found := re.search(rb"^retry: ?(\d+)$", message, re.MULTILINE):
                self._place.retry_s = int(found[1]) / 1000
            yield message


def main(args):
    token, project = os.environ.get("SLUICE_TOKEN"), os.environ.get("SLUICE_PROJECT")
    if not token or not project or not args or (args[0] == "--id" and len(args) != 2):
        say("Usage: SLUICE_TOKEN=… SLUICE_PROJECT=… python follow_requests.py COMMAND | --id STREAM_ID")
        return USAGE
    url = f"{os.environ.get('SLUICE_URL') or 'http://127.0.0.1:8080'}/projects/{quote(project, safe='')}"
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    try:
        stream_id = args[1] if args[0] == "--id" else start(session, url, " ".join(args))
        return follow(session, url, stream_id)
    except (Refused, requests.RequestException) as error:
        say(error)
        return REFUSED


def start(session, url, command):
    """Not tried again when it fails: the answer may be what was lost, and the command running."""
    response = session.post(f"{url}/shell", json={"command": command}, timeout=TIMEOUT_S)
    if not response.ok:
        raise Refused(refusal(response))
    stream_id = response.json()["data"]["id"]
    say(f"started {stream_id}")
    return stream_id


def follow(session, url, stream_id):
    """The exit status. Comes back until the stream has ended."""
    place, failures = Place(), 0
    while True:
        try:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": place.last_event_id}
            query = {"stream_id": stream_id}
            with session.get(f"{url}/events", params=query, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
                failures = 0
                exit_status = listen(response, place)
            if exit_status is not None:
                return exit_status
        # ValueError: a message that was cut is not JSON.
        except (requests.RequestException, ValueError) as error:
            failures += 1
            say(f"{error}, comes back")
        # As the gateway asks, which spreads its clients; after failures longer and longer, up to 16 times that.
        time.sleep(place.retry_s * 2 ** min(failures, 4))


def listen(response, place):
    """Shows one answer to its end. The exit status if it brings one."""
    if response.status_code == 204:
        # The stream has ended, and this client has all of it.
        return NO_STATUS
    if response.status_code == 429 or response.status_code >= 500:
        if response.headers.get("Retry-After", "").isdigit():
            place.retry_s = int(response.headers["Retry-After"])
        say(f"{refusal(response)}, comes back")
        return None
    if not response.ok:
        raise Refused(refusal(response))
    for event in Stream(response, place).events():
        exit_status = show(event.event, json.loads(event.data))
        if exit_status is not None:
            return exit_status
        # Only now: a line that was not written yet must come again.
        place.last_event_id = event.id or place.last_event_id
    return None


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


def refusal(response):
    """What a problem document says (RFC 9457), or else the status."""
    try:
        problem = response.json()
        return f"{problem['detail']} ({response.status_code} {problem['code']})"
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}"


def seconds(text):
    return int(text) if text and text.isdigit() else None


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
    sys.exit(main(sys.argv[1:]))
