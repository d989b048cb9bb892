import random
import time

import requests
from sseclient import SSEClient


def follow(url, token, hear):
    """Reconnects until the stream has ended (204). sseclient-py reads one response; the loop is ours."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    retry_s = 2
    while True:
        try:
            # To connect, and between two reads: a little more than two heartbeats of the gateway.
            with requests.get(url, headers=headers, stream=True, timeout=(10, 65)) as response:
                if response.status_code == 204:
                    return
                if response.status_code == 200:
                    for event in SSEClient(response).events():
                        if event.retry:
                            retry_s = int(event.retry) / 1000
                        hear(event.id, event.event, event.data)
                        # Only now: an event that has not been processed must be sent again.
                        if event.id:
                            headers["Last-Event-ID"] = event.id
                elif response.status_code < 500:
                    raise PermissionError(f"refused: {response.status_code}")
        except requests.RequestException:
            pass
        time.sleep(retry_s * random.uniform(1, 1.5))
