"""The "Database Activity" feed of a desktop client: every change in the database, live, across restarts and outages.
With only the standard library of Python 3.10 or later.

    python3 activity.py

Settings: SLUICE_TOKEN or TOKEN_FILE (read anew for each connection), SLUICE_URL, CURSOR_FILE, HTTPS_PROXY.
Ctrl-C ends it. Started again, it shows what happened meanwhile.
"""

import json
import os
import random
import time
import urllib.error
import urllib.request

# A little more than two heartbeats of the gateway: a longer silence is a dead connection.
SILENCE_S = 65
SLOWEST_RETRY_S = 30


class Refused(Exception):
    """The gateway says no, and would say so again."""


class ActivityFeed:
    def __init__(self, url, token, cursor_file, show, reload):
        """token: returns a valid token. show: gets each event, once. reload: gets the reason when events are missing."""
        self.url, self.token, self.cursor_file = url, token, cursor_file
        self.show, self.reload = show, reload

    def follow(self):
        """Runs until the gateway refuses. A program with windows runs it in a thread of its own."""
        failures = 0
        while True:
            try:
                for line in self.lines():
                    failures = 0
                    self.take(json.loads(line))
            except urllib.error.HTTPError as error:
                # 401: the token expired meanwhile, and the next one may be valid; but do not ask for ever.
                if error.code < 500 and error.code != 429 and (error.code != 401 or failures > 0):
                    raise Refused(json.load(error).get("detail")) from error
            # ValueError: a line that was cut. OSError: everything that can happen to a connection.
            except (OSError, ValueError):
                pass
            failures += 1
            time.sleep(random.uniform(0.5, 1) * min(2**failures, SLOWEST_RETRY_S))

    def lines(self):
        headers = {"Authorization": f"Bearer {self.token()}", "Accept": "application/x-ndjson"}
        cursor = self.cursor()
        if cursor:
            headers["Last-Event-ID"] = cursor
        # Without a cursor it begins with the last 20 events. urllib uses the proxy of the system, or HTTPS_PROXY.
        request = urllib.request.Request(f"{self.url}/api/events?last=20", headers=headers)
        with urllib.request.urlopen(request, timeout=SILENCE_S) as response:
            yield from response

    def take(self, line):
        if line["type"] == "reset":
            self.reload(line["data"]["reason"])
        elif "position" in line:
            self.show(line)
        # Only now: an event that was not shown yet must come again. Notices such as heartbeats carry the cursor too.
        if line.get("id"):
            self.keep(line["id"])

    def cursor(self):
        try:
            with open(self.cursor_file, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def keep(self, cursor):
        """Whole or not at all, even if the machine fails meanwhile."""
        with open(f"{self.cursor_file}.new", "w", encoding="utf-8") as file:
            file.write(cursor)
        os.replace(f"{self.cursor_file}.new", self.cursor_file)


def token():
    """Where your program asks your login for a new token."""
    if path := os.environ.get("TOKEN_FILE"):
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    return os.environ["SLUICE_TOKEN"]


def main():
    feed = ActivityFeed(
        url=os.environ.get("SLUICE_URL", "http://127.0.0.1:8080"),
        token=token,
        cursor_file=os.environ.get("CURSOR_FILE", "activity.cursor"),
        show=lambda event: print(event["type"], json.dumps(event["data"]), flush=True),
        reload=lambda reason: print(f"events are missing ({reason}): load everything again", flush=True),
    )
    try:
        feed.follow()
    except Refused as refusal:
        print(f"refused: {refusal}", flush=True)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
